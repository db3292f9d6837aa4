//! How somebody wants to verify.

use super::report::{Level, Report};
use crate::keys::Keys;
use std::sync::Arc;
use strandline_media::Looks;

/// Told after each object: objects and bytes so far. Each pass of a verification counts anew.
pub type Progress = Arc<dyn Fn(u64, u64) + Send + Sync>;

/// How to verify.
#[derive(Clone)]
pub struct Options {
    /// How deep.
    pub level: Level,
    /// Keys of encrypted sets and archives; without them sealed bytes are checked by their stored checksums.
    pub keys: Arc<Keys>,
    /// Told after each object.
    pub progress: Progress,
    /// How often an object is read before it counts as damaged.
    pub looks: Looks,
}

impl Options {
    /// This level, without keys, without a progress callback.
    #[must_use]
    pub fn new(level: Level) -> Self {
        Self { level, keys: Arc::default(), progress: Arc::new(|_, _| {}), looks: Looks::default() }
    }

    /// The same, where so much was looked at before: what is told goes on from there.
    pub(super) fn after(&self, before: &Report) -> Self {
        let (told, objects_before, bytes_before) = (Arc::clone(&self.progress), before.objects, before.bytes);
        let progress: Progress = Arc::new(move |objects, bytes| told(objects_before + objects, bytes_before + bytes));
        Self { progress, ..self.clone() }
    }
}

impl std::fmt::Debug for Options {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Options").field("level", &self.level).field("keys", &self.keys).finish_non_exhaustive()
    }
}
