//! The scheduler's body: Raft node, leader loop, dispatcher, its own writes to the medium, SQL and HTTP doors.
