//! Every bound of the system, in one place, with the relations between them checked by the compiler.
//!
//! Names carry their unit. Nothing here is a tuning knob of a user; those live in the configurations and are checked
//! against these bounds.

/// Longest span of time that a statement can name: a hundred years.
pub const SPAN_MS_MAX: u64 = 100 * 365 * 24 * 60 * 60 * 1000;
/// Archive file header (and local block header) in bytes.
pub const ARCHIVE_FILE_HEADER_BYTES: u64 = 4096;
/// Log bytes of one 64 MiB block.
pub const BLOCK_BODY_BYTES: u64 = (64 << 20) - ARCHIVE_FILE_HEADER_BYTES;
/// Largest body of one log entry: what clients write at most, and what frames it when it is replayed into a restored
/// tenant, again and again. The original's limit is 3.5 MiB.
pub const LOG_ENTRY_BODY_BYTES_MAX: usize = WRITE_MERGE_BYTES + KV_BATCH_BYTES_MAX + REPLAY_FRAMING_BYTES_MAX;
/// What replaying one entry of a source adds to it.
pub const REPLAY_FRAMING_BYTES_MAX: usize = 64 << 10;
/// Largest client batch that the KV service takes, keys and values together.
pub const KV_BATCH_BYTES_MAX: usize = 2 << 20;
/// Largest key.
pub const KV_KEY_BYTES_MAX: usize = 4096;
/// Largest value.
pub const KV_VALUE_BYTES_MAX: usize = 1 << 20;
/// Most bytes of one scan reply.
pub const KV_SCAN_BYTES_MAX: usize = 2 << 20;
/// Most bytes of log entries in one Raft append message.
pub const RAFT_APPEND_BYTES_MAX: usize = 4 << 20;
/// Most entries that a state machine gets in one call.
pub const APPLY_BATCH_ENTRIES_MAX: usize = 1024;
/// Bytes of bodies after which a batch of entries for a state machine is closed.
pub const APPLY_BATCH_BYTES_MAX: usize = 8 << 20;
/// Snapshots that one node receives at the same time.
pub const SNAPSHOTS_RECEIVED_AT_ONCE_MAX: usize = 4;
/// Largest gRPC message, both directions. Every bound of a message is below it, so that who asks too much is told so in
/// words, by the client before it sends and by the server that it reaches; this is what the transport would break off at.
pub const GRPC_MESSAGE_BYTES_MAX: usize = 16 << 20;
/// What the fields around the bounded parts of a message take at most.
pub const MESSAGE_FRAMING_BYTES_MAX: usize = 64 << 10;
/// Largest end of a key range: one byte more than a key, the one that goes on behind it.
pub const KV_RANGE_BYTES_MAX: usize = KV_KEY_BYTES_MAX + 1;
/// Largest report of a worker.
pub const WORKER_REPORT_BYTES_MAX: usize = 12 << 20;
/// Largest orders of a worker.
pub const WORKER_ORDERS_BYTES_MAX: usize = 12 << 20;
/// Largest answer to a statement.
pub const SQL_REPLY_BYTES_MAX: usize = 12 << 20;
/// Statements that a session keeps.
pub const SESSION_STATEMENTS_MAX: usize = 256;
/// Longest name of a tenant or a table.
pub const NAME_BYTES_MAX: usize = 64;
/// Longest address of a destination, and longest list of its access parameters.
pub const DEST_BYTES_MAX: usize = SQL_BYTES_MAX;
/// Largest data dictionary of a tenant: it is one log entry, and travels in one message.
pub const DICTIONARY_BYTES_MAX: usize = 2 << 20;
/// What a table takes in a dictionary beside its name and its tablets, at most.
pub const DICTIONARY_TABLE_BYTES: usize = 32;
/// What a tablet takes in a dictionary, at most.
pub const DICTIONARY_TABLET_BYTES: usize = 24;
/// Largest call of the Raft transport: entries, and what frames them.
pub const RAFT_CALL_BYTES_MAX: usize = 2 * RAFT_APPEND_BYTES_MAX + RAFT_FRAMING_BYTES_MAX;
/// What frames the entries of one call: they may be very small.
pub const RAFT_FRAMING_BYTES_MAX: usize = 4 << 20;
/// One frame of a snapshot on the wire.
pub const SNAPSHOT_FRAME_BYTES: usize = 1 << 20;
/// Proposals of one log stream that wait for their commit.
pub const PROPOSALS_IN_FLIGHT_MAX: usize = 1024;
/// Bytes of proposals of one log stream that wait for their commit.
pub const PROPOSAL_BYTES_IN_FLIGHT_MAX: usize = 32 << 20;
/// An address that is taken is asked for again so long when a server starts: it may be that of a process that just ends.
pub const LISTEN_PATIENCE_MS: u64 = 2_000;
/// How long a write waits for room in the log when a mandatory archive does not take it; then it is refused.
pub const SPOOL_WAIT_MS: u64 = 5_000;
/// Bytes of client writes of one worker that wait for such room; more are refused at once.
pub const SPOOL_WAIT_BYTES_MAX: usize = 16 << 20;
/// How long an import repeats a batch that is refused for now, in milliseconds.
pub const IMPORT_PATIENCE_MS: u64 = 120_000;
/// Bytes of client writes of one worker that wait for their commit.
pub const WRITE_BYTES_IN_FLIGHT_MAX: usize = 64 << 20;
/// Client writes of one log stream that wait for their entry.
pub const WRITES_QUEUED_MAX: usize = 1024;
/// Entries of client writes of one log stream that are on their way at once; later writes gather meanwhile.
pub const WRITE_ENTRIES_IN_FLIGHT_MAX: usize = 8;
/// Clients' sessions that a log stream remembers; the one that was silent longest is forgotten first.
pub const WRITE_SESSIONS_MAX: usize = 1024;
/// Requests of one session and log stream from the oldest one without an answer to the newest one.
pub const WRITE_SESSION_WINDOW: u64 = 256;
/// An entry takes no more client writes once it is this large.
pub const WRITE_MERGE_BYTES: usize = 1 << 20;
/// Applied log after which the tablets are flushed: what a restart applies again at most.
pub const TABLET_FLUSH_LOG_BYTES: u64 = 64 << 20;
/// Log that Raft keeps until it is purged behind a snapshot.
pub const RAFT_LOG_BYTES_MAX: u64 = 256 << 20;
/// Log that stays behind a purge, so that a replica that is a little late needs no snapshot.
pub const RAFT_LOG_BYTES_KEPT: u64 = 64 << 20;
/// One read of the archiver (docs/protocols.md, section 3).
pub const ARCHIVE_READ_BYTES_MAX: usize = 4 << 20;
/// One read of the archiver while it catches up, and the size to which parts of a log file are merged.
pub const ARCHIVE_UNIT_BYTES_MAX: usize = 16 << 20;
/// So many parts of like size, side by side, are merged into one.
pub const ARCHIVE_PARTS_MERGED: usize = 16;
/// Streams of one worker that merge parts in the background at the same time.
pub const ARCHIVE_MERGES_AT_ONCE_MAX: usize = 1;
/// Parts of one log file; more wait until some are merged.
pub const ARCHIVE_PARTS_PER_FILE_MAX: usize = 128;
/// Bytes at the end of a log file that a look at its last group reads first; more where they do not tell.
pub const LOG_TAIL_BYTES_FIRST: u64 = 256 << 10;
/// Log streams whose end a scan looks at side by side.
pub const SCAN_STREAMS_MAX: usize = 8;
/// Checks of destinations under way on one worker, those included whose caller has given up.
pub const PROBES_MAX: usize = 16;
/// Pieces of a round whose log a look at its end goes back over, when nothing in the newer ones is good.
pub const SCAN_PIECES_BACK_MAX: usize = 8;
/// Looks at an object before it counts as missing, damaged or short.
pub const READ_LOOKS_MAX: u32 = 5;
/// Pause before the second look; doubles with every further one.
pub const READ_LOOK_PAUSE_MS_FIRST: u64 = 10;
/// Passes over an archive that is written meanwhile, before what only one of them found is left out.
pub const VERIFY_PASSES_MAX: u32 = 5;
/// Pause before the second pass; doubles with every further one.
pub const VERIFY_PASS_PAUSE_MS_FIRST: u64 = 200;
/// Log that one log stream keeps in memory for the slower of its destinations.
pub const ARCHIVE_FEED_BYTES_MAX: usize = 8 << 20;
/// Pause of the archiver after the first failure of the medium; doubles with every further one.
pub const ARCHIVE_BACKOFF_MS_FIRST: u64 = 100;
/// Backup and restore tasks that run on one worker at a time; more of them wait.
pub const WORKER_TASKS_MAX: usize = 8;
/// Log of one stream that waits locally for an archive destination, unless SPOOL_SIZE says otherwise.
pub const SPOOL_BYTES_DEFAULT: u64 = 4 << 30;
/// Smallest SPOOL_SIZE: two blocks, or every piece of log would be recycled while it is read.
pub const SPOOL_BYTES_MIN: u64 = 128 << 20;
/// A spool that is this full is an alarm.
pub const SPOOL_ALARM_PERCENT: u32 = 50;
/// Shortest SPOOL_AGE.
pub const SPOOL_AGE_MS_MIN: u64 = 10_000;
/// A worker that has not checked a destination after this is given up.
pub const DEST_CHECK_MS_MAX: u64 = 60_000;
/// Checks of destinations that the scheduler remembers.
pub const DEST_CHECKS_KEPT_MAX: usize = 50;
/// Looks at the lag of one round that the scheduler remembers.
pub const LAG_SAMPLES_MAX: usize = 360;
/// Time between two of them.
pub const LAG_SAMPLE_MS: u64 = 5_000;
/// Earlier attributes and keys of one destination that are remembered.
pub const STORAGE_CHANGES_KEPT_MAX: usize = 32;
/// Longest archive_lag_target (docs/oceanbase.md, 4.12).
pub const ARCHIVE_LAG_TARGET_MS_MAX: u64 = 7_200_000;
/// Largest log_archive_concurrency (docs/oceanbase.md, 4.12).
pub const ARCHIVE_CONCURRENCY_MAX: u32 = 100;
/// Longest pause of the archiver after a failure that may pass by itself.
pub const ARCHIVE_BACKOFF_MS_MAX: u64 = 2_000;
/// Pause of the archiver after any other failure, and the longest that a medium may ask for.
pub const ARCHIVE_PAUSE_MS_MAX: u64 = 10_000;
/// Log bytes that all archivers of one worker hold in memory.
pub const ARCHIVE_MEMORY_BYTES_MAX: usize = 128 << 20;
/// A call on a medium that takes longer is told as a trouble while it is waited for, by every part of every server.
pub const MEDIUM_SILENT_MS: u64 = 5_000;
/// Default delay until log is on the medium and reported.
pub const ARCHIVE_LAG_TARGET_MS: u64 = 1000;
/// In an idle tenant log stream 1 appends a keep-alive group this often, and the others follow it. With the checkpoint,
/// which is written anew and whose old name is removed, it costs the medium at most one small write per log stream and
/// [`IDLE_WRITE_MS`].
pub const KEEP_ALIVE_IDLE_MS: u64 = 60_000;
/// An idle tenant may cost one small write per log stream in this time.
pub const IDLE_WRITE_MS: u64 = 30_000;
/// Pieces of one log stream whose bounds and bytes the scheduler remembers once they are decided.
pub const LS_PIECES_KEPT_MAX: usize = 64;
/// Pieces of one log stream that one report tells of.
pub const LS_PIECES_REPORTED_MAX: usize = 64;
/// Appends that a worker has under way at one destination of a tenant, per core, when LOG_ARCHIVE_CONCURRENCY is 0.
pub const ARCHIVE_APPENDS_PER_CORE: usize = 16;
/// Workers report to the scheduler this often.
pub const HEARTBEAT_MS: u64 = 150;
/// A changed report is sent at once, but not more often than this.
pub const HEARTBEAT_MS_MIN: u64 = 20;
/// A worker that has not reported for this long is *unknown*: its tasks get a new retry id.
pub const WORKER_UNKNOWN_MS: u64 = 5_000;
/// The leader loop of the scheduler looks this often even when nothing woke it.
pub const SCHEDULER_TICK_MS: u64 = 100;
/// A causality token further ahead of the wall clock than this is refused.
pub const MAX_CLOCK_OFFSET_MS: u64 = 10_000;
/// A worker whose clock is off by no more than this may take a leadership over from one whose clock is wrong.
pub const CLOCK_WELL_MS: u64 = 5_000;
/// A stop on a dead medium is forced after this.
pub const FORCE_STOP_MS: u64 = 10 * 60 * 1000;
/// The medium of a cancelled or failed backup gets this long to take the set's placeholders. Then the job ends, and they
/// are written when the medium takes them.
pub const CLOSE_MS_MAX: u64 = 10_000;
/// Sets of one destination whose placeholders are still to be written; the oldest ones beyond it are given up.
pub const LEFTOVERS_KEPT_MAX: usize = 64;
/// Repetitions of one log-stream task before its job fails.
pub const LS_TASK_RETRIES_MAX: u32 = 64;
/// A task that has not moved for this long counts as lost and gets a new retry id.
pub const TASK_STALL_MS: u64 = 10 * 60 * 1000;
/// A job that has not come a step further for this long fails: nothing waits for ever.
pub const JOB_STALL_MS: u64 = 60 * 60 * 1000;
/// A failed task is not tried again before this.
pub const LS_TASK_RETRY_DELAY_MS: u64 = 1_000;
/// An unchanged report still goes through Raft this often, so that the state knows who lives.
pub const HEARD_AGAIN_MS: u64 = 1_000;
/// The start placeholder of a piece is written this long before its first SCN comes, or half a piece before.
pub const PIECE_AHEAD_MS: u64 = 5_000;
/// A checkpoint that moves on is published on an object store after this at the latest.
pub const PUBLISH_PAUSE_MS_MAX: u64 = 1_000;
/// Start placeholders that one step of the scheduler writes.
pub const PIECES_PER_STEP_MAX: u64 = 64;
/// A log stream that never reported on a round counts as drained after this.
pub const NEVER_STARTED_MS: u64 = 15_000;
/// Audit events that the scheduler remembers.
pub const AUDIT_EVENTS_KEPT_MAX: usize = 1000;
/// Ended jobs of one kind that the scheduler remembers.
pub const JOBS_KEPT_MAX: usize = 1000;
/// Size at which a `macro_block_data` file is closed.
pub const BACKUP_DATA_FILE_BYTES: u64 = 1 << 30;
/// Smallest `backup_data_file_size` (docs/oceanbase.md, 4.12).
pub const BACKUP_DATA_FILE_BYTES_MIN: u64 = 512 << 20;
/// A data file is closed at this size where objects are put together from parts (S3).
pub const BACKUP_OBJECT_BYTES_MAX: u64 = 128 << 20;
/// Data files of one directory of a set that become durable beside the one that is written.
pub const FILES_FINISHING_MAX: usize = 3;
/// Largest `backup_data_file_size`.
pub const BACKUP_DATA_FILE_BYTES_MAX: u64 = 4 << 30;
/// Incremental sets that may follow one full set (docs/oceanbase.md, 1.3).
pub const BACKUP_CHAIN_DEPTH_MAX: usize = 64;
/// Turns of one backup set: what changes later than in the last one is in the log alone.
pub const BACKUP_TURNS_MAX: u32 = 8;
/// Largest `ha_low_thread_score` (docs/oceanbase.md, 4.12).
pub const HA_LOW_THREADS_MAX: u32 = 100;
/// A scheduled run that is this late counts as missed.
pub const SCHEDULE_GRACE_MS: u64 = 10 * 60 * 1000;
/// Due times without a run of their own that one run tells of by a row each; the others are counted.
pub const SCHEDULE_LEFT_OUT_MAX: usize = 8;
/// Results of scheduled runs that are remembered per tenant.
pub const SCHEDULE_RUNS_KEPT_MAX: usize = 20;
/// Longest DESCRIPTION of a backup.
pub const DESCRIPTION_BYTES_MAX: usize = 4096;
/// Target size of a macroblock (one SST file).
pub const MACROBLOCK_BYTES_TARGET: u64 = 4 << 20;
/// Largest macroblock that a reader accepts.
pub const MACROBLOCK_BYTES_MAX: u64 = 256 << 20;
/// Plain size at which an index leaf is closed.
pub const INDEX_LEAF_BYTES_MAX: usize = 16 << 10;
/// Data and index blocks start at multiples of this.
pub const BLOCK_ALIGN_BYTES: usize = 4096;
/// Blocks that one backup or restore task keeps in memory.
pub const BLOCKS_IN_FLIGHT_MAX: usize = 8;
/// Bytes of macroblocks that all backup tasks of one worker keep in memory; a larger block is alone.
pub const BLOCK_BYTES_IN_FLIGHT_MAX: u64 = 64 << 20;
/// Threads that verify, checksum, compress and seal the blocks of one tenant's backup (`ha_low_thread_score` 0).
pub const BACKUP_THREADS_DEFAULT: usize = 2;
/// Ranged reads of the archive that one replay has under way, each of [`ARCHIVE_READ_BYTES_MAX`].
pub const ARCHIVE_READS_IN_FLIGHT_MAX: usize = 4;
/// Log streams or data directories that one verification reads side by side.
pub const VERIFY_STREAMS_MAX: usize = 4;
/// A batch of replayed log is proposed before it would hold more than this; a larger group is a batch of its own.
pub const REPLAY_BATCH_BYTES: usize = 2 << 20;
/// Batches of replayed log that wait for their commit.
pub const REPLAY_BATCHES_IN_FLIGHT_MAX: usize = 8;
/// One read of a restore: blocks that lie side by side.
pub const RESTORE_READ_BYTES_MAX: u64 = 8 << 20;
/// Bytes of blocks that all restore tasks of one worker keep in memory as they were read; a larger block is alone.
pub const RESTORE_BYTES_IN_FLIGHT_MAX: u64 = 128 << 20;
/// Block files of one restore task that are written and not synced yet.
pub const RESTORE_FILES_UNSYNCED_MAX: usize = 32;
/// Pairs that table recovery writes at once into the target tenant.
pub const RECOVER_WRITE_BYTES: usize = 1 << 20;
/// Writes of one table recovery that wait for their acknowledgement.
pub const RECOVER_WRITES_IN_FLIGHT_MAX: usize = 4;
/// Objects of one cleaning task that are being deleted at once.
pub const CLEAN_DELETES_IN_FLIGHT_MAX: usize = 16;
/// A standby looks for new log this often when its orders do not change.
pub const FOLLOW_POLL_MS: u64 = 500;
/// Longest pause of a standby after failures of the medium.
pub const FOLLOW_BACKOFF_MS_MAX: u64 = 10_000;
/// A backup waits this long for its replica to apply up to the SCN that it has to cover.
pub const BACKUP_CATCH_UP_MS_MAX: u64 = 60_000;
/// Shortest piece; the original allows days, its test builds minutes, ours seconds so that tests see switches.
pub const PIECE_INTERVAL_SECONDS_MIN: u64 = 1;
/// Longest piece.
pub const PIECE_INTERVAL_SECONDS_MAX: u64 = 7 * 86_400;
/// Default piece.
pub const PIECE_INTERVAL_SECONDS_DEFAULT: u64 = 86_400;
/// Largest small file that a reader takes into memory.
pub const SMALL_FILE_BYTES_MAX: u64 = 64 << 20;
/// Statement text that the SQL server takes.
pub const SQL_BYTES_MAX: usize = 64 << 10;
/// Log streams of one tenant.
pub const LOG_STREAMS_PER_TENANT_MAX: usize = 256;
/// Tablets of one table.
pub const TABLETS_PER_TABLE_MAX: usize = 1024;
/// Tablets of one log stream: each costs its replicas memory.
pub const TABLETS_PER_LOG_STREAM_MAX: usize = 4096;
/// Damages that one validation task reports by name; the rest is only counted.
pub const DAMAGES_REPORTED_MAX: usize = 100;
/// Objects of one directory that are deleted at the same time.
pub const DELETES_IN_FLIGHT_MAX: usize = 16;
/// An orphan or an unfinished upload is removed only when it was there for this long.
pub const ORPHAN_GRACE_MS: u64 = 24 * 60 * 60 * 1000;
/// An archive of another cluster counts as written when it had grown so shortly before it was imported.
pub const IMPORTED_QUIET_MS: u64 = 10 * 60 * 1000;
/// Policies are looked at this often (docs/oceanbase.md, 1.5).
pub const CLEAN_TICK_MS: u64 = 60 * 60 * 1000;
/// A standby's archive is looked at this often.
pub const STANDBY_SCAN_MS: u64 = 1_000;
/// A drill digests its source at an SCN this far ahead of now.
pub const DRILL_AHEAD_MS: u64 = 3_000;
/// A drill takes at most so many SCNs, one after the other, when its source passes them before it is looked at.
pub const DRILL_SCNS_MAX: u32 = 20;
/// Sets and pieces that one cleaning job deletes; the next one goes on.
pub const CLEAN_OBJECTS_MAX: usize = 1000;
/// Sets and pieces of one cleaning job that go at the same time.
pub const CLEAN_TASKS_AT_ONCE: usize = 4;
/// Objects that stay and are named in a job.
pub const CLEAN_KEPT_SHOWN_MAX: usize = 200;
/// Sets and pieces of one destination that can be imported: all of them go through one Raft entry.
pub const IMPORTED_OBJECTS_MAX: usize = 20_000;
/// Ended cleaning, validation, drill and table recovery jobs that are remembered.
pub const CLEAN_JOBS_KEPT_MAX: usize = 100;
/// Pause before a locked object is tried again.
pub const CLEAN_LOCKED_PAUSE_MS: u64 = 60_000;
/// Sets and pieces that one validation job looks at.
pub const VALIDATE_OBJECTS_MAX: usize = 10_000;
/// Longest text of a destination: a path of 2048, an endpoint of 256, keys of 256, attributes of 512, and room.
pub const DEST_URI_BYTES_MAX: usize = 4096;
/// Tasks that a worker has at most when a validation gives it one more.
pub const VALIDATE_TASKS_PER_WORKER: usize = 2;

const _: () = assert!(KV_BATCH_BYTES_MAX < LOG_ENTRY_BODY_BYTES_MAX);
const _: () = assert!(KV_BATCH_BYTES_MAX < WRITE_BYTES_IN_FLIGHT_MAX && KV_BATCH_BYTES_MAX < SPOOL_WAIT_BYTES_MAX);
const _: () = assert!(LOG_ENTRY_BODY_BYTES_MAX < 7 << 19);
const _: () = assert!(RAFT_LOG_BYTES_KEPT < RAFT_LOG_BYTES_MAX);
const _: () = assert!(KV_KEY_BYTES_MAX + KV_VALUE_BYTES_MAX < KV_BATCH_BYTES_MAX);
const _: () = assert!(LOG_ENTRY_BODY_BYTES_MAX < RAFT_APPEND_BYTES_MAX);
const _: () = assert!(RAFT_CALL_BYTES_MAX + MESSAGE_FRAMING_BYTES_MAX < GRPC_MESSAGE_BYTES_MAX);
const _: () = assert!(KV_BATCH_BYTES_MAX + MESSAGE_FRAMING_BYTES_MAX < GRPC_MESSAGE_BYTES_MAX);
const _: () = assert!(2 * KV_RANGE_BYTES_MAX + MESSAGE_FRAMING_BYTES_MAX < GRPC_MESSAGE_BYTES_MAX);
// A pair of one byte takes six on the wire; the last pair may go beyond the bound.
const _: () = assert!(
    6 * KV_SCAN_BYTES_MAX + KV_KEY_BYTES_MAX + KV_VALUE_BYTES_MAX + MESSAGE_FRAMING_BYTES_MAX < GRPC_MESSAGE_BYTES_MAX
);
const _: () = assert!(2 * SQL_BYTES_MAX + NAME_BYTES_MAX + MESSAGE_FRAMING_BYTES_MAX < GRPC_MESSAGE_BYTES_MAX);
const _: () = assert!(2 * DEST_BYTES_MAX + MESSAGE_FRAMING_BYTES_MAX < GRPC_MESSAGE_BYTES_MAX);
const _: () = assert!(SQL_REPLY_BYTES_MAX + SQL_BYTES_MAX + MESSAGE_FRAMING_BYTES_MAX < GRPC_MESSAGE_BYTES_MAX);
const _: () = assert!(WORKER_REPORT_BYTES_MAX < GRPC_MESSAGE_BYTES_MAX);
const _: () = assert!(WORKER_ORDERS_BYTES_MAX < GRPC_MESSAGE_BYTES_MAX);
const _: () = assert!(SNAPSHOT_FRAME_BYTES + MESSAGE_FRAMING_BYTES_MAX < GRPC_MESSAGE_BYTES_MAX);
const _: () = assert!(DICTIONARY_BYTES_MAX + MESSAGE_FRAMING_BYTES_MAX < LOG_ENTRY_BODY_BYTES_MAX);
const _: () = assert!(TABLETS_PER_TABLE_MAX * DICTIONARY_TABLET_BYTES < DICTIONARY_BYTES_MAX);
const _: () = assert!((LOG_ENTRY_BODY_BYTES_MAX as u64) < BLOCK_BODY_BYTES);
const _: () = assert!(ARCHIVE_READ_BYTES_MAX > LOG_ENTRY_BODY_BYTES_MAX);
const _: () = assert!(BLOCK_BYTES_IN_FLIGHT_MAX >= MACROBLOCK_BYTES_TARGET * BLOCKS_IN_FLIGHT_MAX as u64);
const _: () = assert!(REPLAY_BATCH_BYTES + REPLAY_FRAMING_BYTES_MAX < LOG_ENTRY_BODY_BYTES_MAX);
const _: () = assert!(REPLAY_BATCHES_IN_FLIGHT_MAX < PROPOSALS_IN_FLIGHT_MAX);
const _: () =
    assert!(ARCHIVE_UNIT_BYTES_MAX >= ARCHIVE_READ_BYTES_MAX && ARCHIVE_MEMORY_BYTES_MAX >= 4 * ARCHIVE_UNIT_BYTES_MAX);
const _: () =
    assert!(ARCHIVE_BACKOFF_MS_FIRST < ARCHIVE_BACKOFF_MS_MAX && ARCHIVE_BACKOFF_MS_MAX < ARCHIVE_PAUSE_MS_MAX);
const _: () = assert!(2 * ARCHIVE_PARTS_MERGED < ARCHIVE_PARTS_PER_FILE_MAX);
const _: () = assert!(CLOCK_WELL_MS < MAX_CLOCK_OFFSET_MS);
const _: () = assert!(HEARTBEAT_MS_MIN < HEARTBEAT_MS && HEARTBEAT_MS * 4 < WORKER_UNKNOWN_MS);
const _: () = assert!(MACROBLOCK_BYTES_TARGET < MACROBLOCK_BYTES_MAX && MACROBLOCK_BYTES_MAX < BACKUP_DATA_FILE_BYTES);
const _: () = assert!(
    BACKUP_DATA_FILE_BYTES_MIN <= BACKUP_DATA_FILE_BYTES && BACKUP_DATA_FILE_BYTES <= BACKUP_DATA_FILE_BYTES_MAX
);
const _: () = assert!(MACROBLOCK_BYTES_MAX < BACKUP_DATA_FILE_BYTES_MIN);
const _: () = assert!(WORKER_UNKNOWN_MS > 3 * HEARD_AGAIN_MS && WORKER_UNKNOWN_MS < TASK_STALL_MS);
// A tenant has two log streams or more; each writes once, the checkpoint comes and the one before it goes.
const _: () = assert!(2 + 2 <= 2 * (KEEP_ALIVE_IDLE_MS / IDLE_WRITE_MS));
// A cancel ends a job within half a minute, also where no request to the medium has begun.
const _: () = assert!(CLOSE_MS_MAX + MEDIUM_SILENT_MS < 30_000);
const _: () = assert!(TASK_STALL_MS < JOB_STALL_MS && NEVER_STARTED_MS < FORCE_STOP_MS);
