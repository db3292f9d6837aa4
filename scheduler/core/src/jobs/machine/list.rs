//! Every kind of job, once. A new kind is one line here, and the compiler asks for the rest.

use super::head::JobHead;
pub(crate) use crate::jobs::backup::state::BackupJob;
pub(crate) use crate::jobs::clean::state::{CleanJob, CleanTask};
pub(crate) use crate::jobs::dest_check::state::DestCheck;
pub(crate) use crate::jobs::drill::state::Drill;
pub(crate) use crate::jobs::initiator::state::InitiatorJob;
pub(crate) use crate::jobs::recover_table::state::RecoverTableJob;
pub(crate) use crate::jobs::restore::state::RestoreJob;
pub(crate) use crate::jobs::standby::state::Standby;
pub(crate) use crate::jobs::validate::state::{ValidateJob, ValidateTask};
use crate::state::State;
use serde::{Deserialize, Serialize};
use strandline_types::JobId;

/// Makes the enums of all jobs and of their kinds, how one is found in State, and two macros that hand a job, or the type
/// of a kind, to an expression.
macro_rules! job_kinds {
    ($d:tt $($(#[$doc:meta])+ $kind:ident($body:ident) $noun:literal $all:ident $one:ident $one_mut:ident;)+) => {
        /// A kind of job, in the order in which jobs are planned.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
        pub enum JobKind {
            $($(#[$doc])+ $kind,)+
        }

        impl JobKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind,)+];

            /// As refusals name it.
            #[must_use]
            pub const fn noun(self) -> &'static str {
                match self {
                    $(Self::$kind => $noun,)+
                }
            }
        }

        /// A job of any kind.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[allow(clippy::large_enum_variant)]
        pub enum Job {
            $($(#[$doc])+ $kind($body),)+
        }

        impl Job {
            /// Its kind.
            #[must_use]
            pub const fn kind(&self) -> JobKind {
                match self {
                    $(Self::$kind(_) => JobKind::$kind,)+
                }
            }

            /// What every job has.
            #[must_use]
            pub const fn head(&self) -> &JobHead {
                match self {
                    $(Self::$kind(job) => &job.head,)+
                }
            }

            /// The same, to be changed.
            pub(crate) const fn head_mut(&mut self) -> &mut JobHead {
                match self {
                    $(Self::$kind(job) => &mut job.head,)+
                }
            }
        }

        impl State {
            $(
                #[doc = concat!("Every [`", stringify!($body), "`], running and ended, by id.")]
                pub fn $all(&self) -> impl DoubleEndedIterator<Item = &$body> {
                    self.jobs.values().filter_map(|job| if let Job::$kind(job) = job { Some(job) } else { None })
                }

                #[doc = concat!("One [`", stringify!($body), "`].")]
                #[must_use]
                pub fn $one(&self, id: JobId) -> Option<&$body> {
                    if let Job::$kind(job) = self.jobs.get(&id)? { Some(job) } else { None }
                }

                #[doc = concat!("One [`", stringify!($body), "`], to be changed.")]
                pub fn $one_mut(&mut self, id: JobId) -> Option<&mut $body> {
                    if let Job::$kind(job) = self.jobs.get_mut(&id)? { Some(job) } else { None }
                }
            )+
        }

        $(
            super::head::has_head!($body);

            impl From<$body> for Job {
                fn from(job: $body) -> Self {
                    Self::$kind(job)
                }
            }
        )+

        /// Evaluates an expression with the type of a kind of job under a name.
        macro_rules! of_kind {
            ($d of:expr, $d logic:ident => $d do:expr) => {
                match $d of {
                    $($crate::jobs::machine::list::JobKind::$kind => {
                        type $d logic = $crate::jobs::machine::list::$body;
                        $d do
                    })+
                }
            };
        }
        pub(crate) use of_kind;

        /// Evaluates an expression with a job of whatever kind under a name.
        macro_rules! of_job {
            ($d of:expr, $d job:ident => $d do:expr) => {
                match $d of {
                    $($crate::jobs::machine::list::Job::$kind($d job) => $d do,)+
                }
            };
        }
        pub(crate) use of_job;
    };
}

job_kinds! { $
    /// A check of a destination by every worker.
    DestCheck(DestCheck) "check of a destination" dest_checks dest_check dest_check_mut;
    /// A backup of one tenant.
    Backup(BackupJob) "backup" backup_jobs backup_job backup_job_mut;
    /// A backup of several tenants; its children do the work.
    Initiator(InitiatorJob) "backup of several tenants" initiators initiator initiator_mut;
    /// A restore.
    Restore(RestoreJob) "restore" restore_jobs restore_job restore_job_mut;
    /// A table recovery.
    RecoverTable(RecoverTableJob) "table recovery" recover_jobs recover_job recover_job_mut;
    /// A standby tenant that follows an archive.
    Standby(Standby) "standby" standbys standby_job standby_job_mut;
    /// A restore drill.
    Drill(Drill) "restore drill" drills drill drill_mut;
    /// A cleaning; its parts do the work.
    Clean(CleanJob) "cleaning" clean_jobs clean_job clean_job_mut;
    /// One set or piece that is deleted.
    CleanTask(CleanTask) "deletion" clean_tasks clean_task clean_task_mut;
    /// A validation; its parts do the work.
    Validate(ValidateJob) "validation" validate_jobs validate_job validate_job_mut;
    /// One set or piece that is looked at.
    ValidateTask(ValidateTask) "look at an object" validate_tasks validate_task validate_task_mut;
}
