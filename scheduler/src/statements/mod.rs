//! Statements by feature: one file or folder has a statement's words, its parser, its request, what the leader does for it,
//! and its lines in the reference.
//!
//! [`TOPICS`] is the one list of statements: a text is matched to a statement by it, and `docs/statements.md` is made of it.
//! To add a statement, add its file and its entry in the list.

mod answer;
mod archive;
mod backup;
mod catalog;
mod clean;
mod context;
mod destination;
mod drill;
mod parse;
mod recover_table;
mod reference;
mod restore;
mod select;
mod session;
mod settings;
mod show;
mod standby;
mod statement;
mod table;
mod tenant;
mod tenants;
#[cfg(test)]
mod testing;
mod validate;

pub use answer::jobs_named;
pub use context::Context;
pub use parse::parse;
pub use reference::statement_reference;
pub use settings::forget_sources;
pub use statement::{Command, Read, Statement};

use session::{client_settings, encryption};
use statement::Topic;

/// Every statement. The order is that of the reference, and of the words in a syntax error.
static TOPICS: &[Topic] = &[
    Topic { title: "Tenants and tables", statements: &[tenant::CREATE, tenant::DROP, table::CREATE, table::DROP] },
    Topic {
        title: "Log archiving",
        statements: &[
            archive::dest::SET,
            archive::dest::SET_STATE,
            archive::switch::ON,
            archive::switch::OFF,
            archive::parameters::SET_LAG,
            archive::parameters::SET_CONCURRENCY,
            archive::new_tenants::SET,
        ],
    },
    Topic {
        title: "Destinations",
        statements: &[
            destination::data_backup_dest::SET,
            destination::external_storage::CHANGE,
            destination::check::CHECK,
            catalog::IMPORT,
            catalog::DROP,
        ],
    },
    Topic {
        title: "Backups",
        statements: &[
            backup::BACKUP,
            backup::CANCEL,
            backup::cluster_parameters::BACKUP,
            backup::parameters::SET_DATA_FILE_SIZE,
            backup::parameters::SET_LOW_THREADS,
            backup::parameters::SET_COMPRESSION,
            backup::schedule::SET,
            backup::schedule::ENABLE,
            backup::schedule::DISABLE,
            backup::schedule::DROP,
        ],
    },
    Topic {
        title: "Restores, standbys, drills",
        statements: &[
            restore::RESTORE,
            restore::CANCEL,
            restore::preview::SHOW,
            restore::added_sources::ADD,
            restore::added_sources::CLEAR,
            recover_table::RECOVER,
            recover_table::CANCEL,
            standby::RECOVER,
            standby::ACTIVATE,
            standby::SET_SOURCE,
            drill::RUN,
            drill::CANCEL,
            drill::SET_INTERVAL,
            drill::SET_SCHEDULE,
        ],
    },
    Topic {
        title: "Retention, cleaning, validation",
        statements: &[
            clean::policy::ADD,
            clean::policy::DROP,
            clean::delete::DELETE,
            clean::delete::CANCEL,
            validate::VALIDATE,
            validate::CANCEL,
        ],
    },
    Topic {
        title: "Reads and sessions",
        statements: &[
            select::SELECT,
            show::SHOW,
            show::DESC,
            encryption::SET_ENCRYPTION,
            encryption::SET_DECRYPTION,
            client_settings::SET,
            client_settings::NO_EFFECT,
        ],
    },
];

#[cfg(test)]
mod tests;
