//! This engine behind the border of `strandline-engine-api`.
//!
//! Only translates: nothing is decided here.

mod convert;
mod host;
mod log_stream;
mod restore;
mod tables;

pub use tables::table_opener;

use crate::{Engine, Extract, RestoredPoint};
use restore::{BuiltInExtract, BuiltInTarget};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use strandline_engine_api::{
    ClientWork, LogFormat, LogStream, PALF, RestoreTarget, RestoredBase, SourceError, TabletExtract,
};
use strandline_types::{JobId, LsId, TabletId, TenantId};

/// This engine as the worker sees it.
#[derive(Clone, Debug)]
pub struct BuiltInEngine(pub Arc<Engine>);

impl strandline_engine_api::Engine for BuiltInEngine {
    fn log_format(&self) -> &'static dyn LogFormat {
        &PALF
    }

    fn log_stream(&self, tenant: TenantId, ls: LsId) -> Option<Arc<dyn LogStream>> {
        Some(self.0.replica(tenant, ls)?)
    }

    fn client_work(&self) -> ClientWork {
        crate::foreground::client_work()
    }

    fn restore_target(&self, tenant: TenantId, ls: LsId, job: JobId) -> Arc<dyn RestoreTarget> {
        Arc::new(BuiltInTarget { engine: Arc::clone(&self.0), tenant, ls, job })
    }

    fn extract(
        &self,
        base: &Path,
        scratch: &Path,
        ls: LsId,
        only: BTreeSet<TabletId>,
        point: RestoredBase,
    ) -> Result<Box<dyn TabletExtract>, SourceError> {
        // No job marks these files: they are scratch.
        let point = RestoredPoint { job: JobId(0), base: point.base.into(), scn: point.scn };
        Ok(Box::new(BuiltInExtract(Extract::begin(base, scratch, ls, only, &point)?)))
    }
}
