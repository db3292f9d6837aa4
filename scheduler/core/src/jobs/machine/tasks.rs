//! The tasks of a job, of all of its stages, in one table. They lie in the job: a task never outlives it.

use super::task_run::TaskRun;
use crate::task::{Part, TaskId, TaskKind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use strandline_types::{LsId, TurnId};

/// Every task of one job, by kind and then by part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tasks(BTreeMap<TaskId, TaskRun>);

impl Tasks {
    /// One task for each part, none of which has run.
    pub fn begin(&mut self, kind: TaskKind, parts: impl IntoIterator<Item = Part>, turn: TurnId) {
        self.0.extend(parts.into_iter().map(|part| (TaskId { kind, part }, TaskRun { turn, ..TaskRun::default() })));
    }

    /// The tasks of one kind.
    pub fn of(&self, kind: TaskKind) -> impl Iterator<Item = (Part, &TaskRun)> + Clone {
        self.0.iter().filter(move |(id, _)| id.kind == kind).map(|(id, run)| (id.part, run))
    }

    /// The tasks of one kind that are one for each log stream.
    pub fn of_streams(&self, kind: TaskKind) -> impl Iterator<Item = (LsId, &TaskRun)> + Clone {
        self.of(kind).filter_map(|(part, run)| Some((part.ls()?, run)))
    }

    /// True when none of a kind has to run any more; also when there is none.
    #[must_use]
    pub fn are_finished(&self, kind: TaskKind) -> bool {
        self.of(kind).all(|(_, run)| run.is_finished())
    }

    /// The same, and there is one.
    #[must_use]
    pub fn have_finished(&self, kind: TaskKind) -> bool {
        self.of(kind).next().is_some() && self.are_finished(kind)
    }

    /// One task.
    #[must_use]
    pub fn get(&self, id: TaskId) -> Option<&TaskRun> {
        self.0.get(&id)
    }

    /// One task, to be changed.
    pub fn get_mut(&mut self, id: TaskId) -> Option<&mut TaskRun> {
        self.0.get_mut(&id)
    }

    /// Puts a task in the place of the one that was there.
    pub fn insert(&mut self, id: TaskId, run: TaskRun) {
        self.0.insert(id, run);
    }

    /// Takes a task out.
    pub fn remove(&mut self, id: TaskId) -> Option<TaskRun> {
        self.0.remove(&id)
    }

    /// Forgets all.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// All, with their names.
    pub fn iter(&self) -> impl Iterator<Item = (TaskId, &TaskRun)> {
        self.0.iter().map(|(id, run)| (*id, run))
    }

    /// All.
    pub fn values(&self) -> impl Iterator<Item = &TaskRun> {
        self.0.values()
    }

    /// All, to be changed.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut TaskRun> {
        self.0.values_mut()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
