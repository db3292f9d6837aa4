//! The Cluster service: workers report, the leader answers with their orders.

mod backup_tasks;
mod inbox;
mod medium_tasks;
mod orders;
mod report;
mod service;
mod watch;

pub use inbox::Inbox;
pub use service::ClusterService;
pub use watch::WatchService;
