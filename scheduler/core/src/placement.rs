//! Which workers host a new log stream: the live ones with the least replicas, by id where they are equal.
