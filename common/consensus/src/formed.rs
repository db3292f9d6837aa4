//! The mark of a directory whose replica ever belonged to a formed group: such a group is never formed again here, not
//! even when its log is lost.
//!
//! Order rule: the mark is durable before the first entry is acknowledged to anybody.

use crate::meta_store::MetaStore;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// One replica's mark.
pub(crate) struct FormedMark {
    group: Arc<str>,
    meta: Arc<MetaStore>,
    is_set: AtomicBool,
}

impl FormedMark {
    pub(crate) fn load(group: Arc<str>, meta: Arc<MetaStore>) -> io::Result<Self> {
        let is_set = AtomicBool::new(meta.is_formed(&group)?);
        Ok(Self { group, meta, is_set })
    }

    pub(crate) fn is_set(&self) -> bool {
        self.is_set.load(Ordering::Acquire)
    }

    /// Blocks until the mark is durable; free when it is already.
    pub(crate) fn set(&self) -> io::Result<()> {
        if !self.is_set() {
            self.meta.set_formed(&self.group)?;
            self.is_set.store(true, Ordering::Release);
        }
        Ok(())
    }
}
