//! RESTORE: the leader reads the catalogue of both destinations, the core chooses set and pieces, and everything that
//! the job needs goes into one command. From then on no scheduler reads the catalogue again.

use super::Executor;
use crate::clock;
use crate::effects::catalogue::{self, Sets};
use crate::effects::open;
use crate::session::Settings;
use crate::sql::NOT_SUPPORTED_CODE;
use crate::sql::request::restore::{RestoreFrom, RestorePreview, RestoreRequest, Until};
use crate::sql::select::Rows;
use std::time::Duration;
use strandline_catalogue::{Choice, Target, choose};
use strandline_format::paths::SetName;
use strandline_format::pb;
use strandline_media::identity::DestType;
use strandline_scheduler_core::state::{RestoreSource, SourceLs};
use strandline_scheduler_core::views::Value;
use strandline_scheduler_core::{Action, Done, StartRestore};
use strandline_types::{ErrorClass, Failure, LsId, Lsn, PalfBase, RetryId, Scn, TenantId, TurnId, scn_text};

/// Reading a catalogue takes at most this long.
const READ_TIMEOUT: Duration = Duration::from_secs(90);
/// Replicas of a restored tenant when the statement does not say and enough workers are there.
const REPLICAS_MAX: u32 = 3;

/// What both destinations hold and who wrote them.
struct Found {
    data_uri: String,
    archive_uri: String,
    origin: pb::PathFormat,
    sets: Sets,
    choice: Choice,
    metas: pb::LsMetaInfos,
}

impl Executor {
    pub(super) async fn restore(&self, request: RestoreRequest, settings: &Settings) -> Result<String, Failure> {
        let found = find(&request.from, request.until, settings).await?;
        let target_scn = found.choice.target_scn;
        let start = StartRestore {
            tenant_name: request.tenant.clone(),
            replicas: self.replicas(request.options.replicas),
            target_scn,
            source: source(found)?,
            description: request.description,
        };
        let set = start.source.set_id;
        match self.node.act(Action::StartRestore(Box::new(start))).await? {
            Done::RestoreJob(job) => {
                Ok(format!("restore job {job}: tenant {} from backup set {set} to SCN {target_scn}", request.tenant))
            }
            _ => Ok(format!("tenant {} is being restored", request.tenant)),
        }
    }

    /// What a restore would read.
    pub(super) async fn preview(&self, request: &RestorePreview, settings: &Settings) -> Result<Rows, Failure> {
        let found = find(&request.from, request.until, settings).await?;
        let row = |kind: &str, id: String, dest: &str, from: Scn, to: Scn| {
            let description = format!("{} to {}", scn_text(from), scn_text(to));
            [kind.to_owned(), id, dest.to_owned(), description].into_iter().map(Value::Text).collect()
        };
        let sets =
            found.choice.sets.iter().map(|s| {
                row("BACKUP_SET", s.set_id.to_string(), &found.data_uri, s.start_replay_scn, s.min_restore_scn)
            });
        let pieces = found
            .choice
            .pieces
            .iter()
            .map(|p| row("BACKUP_PIECE", p.key.to_string(), &found.archive_uri, p.start_scn, p.checkpoint_scn));
        let columns = ["BACKUP_TYPE", "BACKUP_ID", "BACKUP_DEST", "DESCRIPTION"].map(str::to_owned).to_vec();
        Ok(Rows { columns, rows: sets.chain(pieces).collect() })
    }

    /// As asked for; else three where there are enough workers, else one.
    fn replicas(&self, asked: Option<u64>) -> u32 {
        let now_ms = clock::now().as_ms();
        let workers = self.node.read(|s| s.workers.keys().filter(|w| s.is_known(**w, now_ms)).count());
        match asked {
            Some(n) => u32::try_from(n).unwrap_or(u32::MAX),
            None if workers >= REPLICAS_MAX as usize => REPLICAS_MAX,
            None => 1,
        }
    }
}

async fn find(from: &RestoreFrom, until: Until, _settings: &Settings) -> Result<Found, Failure> {
    let RestoreFrom::Destinations { data, archive: Some(archive) } = from else {
        let todo = "give RESTORE … FROM '<data backup uri>,<archive uri>'";
        let what = "a restore without an archive destination is not supported yet";
        return Err(Failure::new(ErrorClass::Invalid, what, "RESTORE", todo).with_code(NOT_SUPPORTED_CODE));
    };
    match tokio::time::timeout(READ_TIMEOUT, read(data, archive, until)).await {
        Ok(found) => found,
        Err(_) => {
            let what = format!("the catalogue could not be read within {} s", READ_TIMEOUT.as_secs());
            let todo = "check that both destinations are mounted and reachable";
            Err(Failure::new(ErrorClass::Transient, what, format!("{data}, {archive}"), todo))
        }
    }
}

async fn read(data: &str, archive: &str, until: Until) -> Result<Found, Failure> {
    let (data, archive) = (open(data)?, open(archive)?);
    let origin = catalogue::origin(data.as_ref(), DestType::Backup).await?;
    let archive_origin = catalogue::origin(archive.as_ref(), DestType::Archive).await?;
    if (origin.cluster_id, origin.tenant_id) != (archive_origin.cluster_id, archive_origin.tenant_id) {
        let what = format!(
            "the data backup is of tenant {} of cluster {}, the archive of tenant {} of cluster {}",
            origin.tenant_id, origin.cluster_id, archive_origin.tenant_id, archive_origin.cluster_id
        );
        let todo = "give the two destinations of one tenant";
        return Err(Failure::new(ErrorClass::Invalid, what, archive.uri(), todo));
    }
    let sets = catalogue::sets(data.as_ref()).await?;
    let pieces = catalogue::pieces(archive.as_ref()).await?;
    let target = match until {
        Until::Latest => Target::Newest,
        Until::Scn(scn) => Target::Scn(scn),
    };
    let choice = choose(&catalogue::catalogue(&sets, pieces), target)?;
    let (name, _) = last_set(&sets, &choice)?;
    let metas = catalogue::ls_metas(data.as_ref(), name).await?;
    Ok(Found { data_uri: data.uri(), archive_uri: archive.uri(), origin, sets, choice, metas })
}

/// The set that is restored: the last one of the chain.
fn last_set<'a>(sets: &'a Sets, choice: &Choice) -> Result<(SetName, &'a pb::BackupSetInfo), Failure> {
    let last = choice.sets.last().and_then(|s| sets.get(&s.set_id));
    last.map(|(name, info)| (*name, info)).ok_or_else(|| {
        Failure::new(ErrorClass::NotFound, "no backup set was chosen", "backup sets", "take a full backup")
    })
}

fn source(found: Found) -> Result<RestoreSource, Failure> {
    let (name, info) = last_set(&found.sets, &found.choice)?;
    let mut log_streams = Vec::with_capacity(found.metas.log_streams.len());
    for meta in &found.metas.log_streams {
        let Some(base) = meta.base else {
            let todo = "use another backup set";
            let object = format!("log stream {} of {name} in {}", meta.ls_id, found.data_uri);
            return Err(Failure::new(
                ErrorClass::Corrupt,
                "its meta does not say where log replay begins",
                object,
                todo,
            ));
        };
        log_streams.push(SourceLs {
            ls_id: LsId(meta.ls_id),
            base: PalfBase {
                lsn: Lsn(base.lsn),
                prev_log_id: base.prev_log_id,
                prev_accumulated_checksum: base.prev_accumulated_checksum,
                prev_scn: Scn(base.prev_scn),
            },
            turn: TurnId(meta.turn),
            retry: RetryId(meta.retry),
        });
    }
    let stats = |s: &pb::BackupSetInfo| s.stats.unwrap_or_default();
    let chain = found.choice.sets.iter().filter_map(|s| found.sets.get(&s.set_id));
    Ok(RestoreSource {
        cluster_name: found.origin.cluster_name.clone(),
        tenant_id: TenantId(found.origin.tenant_id),
        tenant_name: found.origin.tenant_name.clone(),
        set_id: name.id,
        set_kind: name.kind,
        data_turn: TurnId(info.data_turn_id),
        log_streams,
        pieces: found.choice.pieces.iter().map(|p| p.key).collect(),
        total_bytes: chain.map(|(_, s)| stats(s).output_bytes).sum(),
        tablet_count: stats(info).tablet_count,
        data_uri: found.data_uri.clone(),
        archive_uri: found.archive_uri.clone(),
    })
}
