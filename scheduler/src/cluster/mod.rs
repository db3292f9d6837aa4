//! The Cluster service: workers report, the leader answers with their orders.

mod backup_tasks;
mod medium_tasks;
mod orders;
mod report;
mod report_batches;
mod service;
mod watch;

pub use report_batches::ReportBatches;
pub use service::ClusterService;
pub use watch::WatchService;
