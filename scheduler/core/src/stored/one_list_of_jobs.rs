//! From version 2 to 3: jobs of every kind are one list, and what all jobs have is their head.
//!
//! In State there were eleven maps, one for each kind. Each kind had the fields of the head itself, and maps of tasks by
//! log stream, by replica or by worker, where log stream 0 was what is of none. In commands each kind had its own words for
//! the next stage, a cancel and an end, a task was named by the number of its log stream, and what happens to an archive
//! round was a command for each.
//!
//! Everything here is about values without types, so it stays as it is when the types change again.

use strandline_stored::{Tree, Value, put_field, take_field};

/// What all jobs have that their kinds had themselves.
const HEAD: [&str; 8] =
    ["id", "tenant_id", "description", "started_ms", "progress_ms", "ended_ms", "failure", "trouble"];
/// The system tenant, to which belong jobs that had no tenant.
const SYS: u64 = 1;

/// Where the tasks of a kind of job were, and what they are.
struct Tasks {
    field: &'static str,
    kind: &'static str,
    of: Of,
}

/// What the keys of a map of tasks are.
#[derive(Clone, Copy)]
enum Of {
    Stream,
    /// Log stream 0 is what belongs to none.
    StreamOrRest,
    Replica,
    Worker,
}

const fn tasks(field: &'static str, kind: &'static str, of: Of) -> Tasks {
    Tasks { field, kind, of }
}

/// A map of State, the kind of its jobs, and their tasks.
type Map = (&'static str, &'static str, &'static [Tasks]);

const MAPS: [Map; 10] = [
    // The kind of the data tasks of a backup is in the job.
    ("backup_jobs", "Backup", &[tasks("tasks", "", Of::Stream), tasks("log_tasks", "BackupLog", Of::Stream)]),
    ("initiators", "Initiator", &[]),
    (
        "restore_jobs",
        "Restore",
        &[tasks("data_tasks", "RestoreData", Of::Replica), tasks("log_tasks", "RestoreLog", Of::Stream)],
    ),
    ("recover_jobs", "RecoverTable", &[tasks("tasks", "RecoverTable", Of::Stream)]),
    ("drills", "Drill", &[tasks("runs", "Fingerprint", Of::Stream)]),
    ("dest_checks", "DestCheck", &[tasks("runs", "DestCheck", Of::Worker)]),
    ("clean_jobs", "Clean", &[]),
    ("clean_tasks", "CleanTask", &[tasks("runs", "Clean", Of::StreamOrRest)]),
    ("validate_jobs", "Validate", &[]),
    ("validate_tasks", "ValidateTask", &[tasks("runs", "Validate", Of::StreamOrRest)]),
];

/// The State.
pub(super) fn state(mut tree: Tree) -> Result<Tree, String> {
    let state = &mut tree.0;
    let mut jobs = Vec::new();
    for (field, kind, tasks) in MAPS {
        for (id, job) in rows(take_field(state, field)?)? {
            jobs.push((id, variant(kind, with_head(job, kind, tasks)?)));
        }
    }
    for (_, mut standby) in rows(take_field(state, "standbys")?)? {
        let mut id = take_field(&mut standby, "job_id")?;
        // One that had never followed had the id of its restore.
        if jobs.iter().any(|(taken, _)| *taken == id) {
            id = next_job(state)?;
        }
        put_field(&mut standby, "id", id.clone())?;
        let tasks = [tasks("log_tasks", "RestoreLog", Of::Stream)];
        jobs.push((id, variant("Standby", with_head(standby, "Standby", &tasks)?)));
    }
    jobs.sort_by_key(|(id, _)| id.as_u64());
    put_field(state, "jobs", Value::Map(jobs))?;
    Ok(tree)
}

/// Gives out the next id of a job.
fn next_job(state: &mut Value) -> Result<Value, String> {
    let mut next = take_field(state, "next")?;
    let id = take_field(&mut next, "job")?;
    let after = id.as_u64().ok_or("the next job has no number")? + 1;
    put_field(&mut next, "job", after.into())?;
    put_field(state, "next", next)?;
    Ok(id)
}

fn with_head(mut job: Value, kind: &str, tasks: &[Tasks]) -> Result<Value, String> {
    let mut runs = Vec::new();
    if kind == "Backup" {
        let task = task_id("BackupIndex", "Tenant".into());
        runs.push((task, take_field(&mut job, "index")?));
    }
    for Tasks { field, kind, of } in tasks {
        let kind = if kind.is_empty() { data_task_kind(&job)? } else { kind };
        for (key, run) in rows(take_field(&mut job, field)?)? {
            runs.push((task_id(kind, part(*of, key)?), run));
        }
    }
    if kind == "CleanTask" {
        // It says when the deletion of the object began; a part of a job is accepted with the job.
        let begun = take_field(&mut job, "started_ms")?;
        put_field(&mut job, "begun_ms", begun)?;
        let moved = take_field(&mut job, "progress_ms")?;
        put_field(&mut job, "started_ms", moved.clone())?;
        put_field(&mut job, "progress_ms", moved)?;
    }
    let mut head = Vec::new();
    for name in HEAD {
        let value = match take_field(&mut job, name) {
            Ok(value) => value,
            Err(_) => missing(name, &head)?,
        };
        head.push((Value::from(name), value));
    }
    let parent = match kind {
        "Backup" => take_field(&mut job, "initiator")?,
        "CleanTask" | "ValidateTask" => take_field(&mut job, "job_id")?,
        _ => Value::Nil,
    };
    head.push(("parent".into(), parent));
    head.push(("runs".into(), Value::Map(runs)));
    put_field(&mut job, "head", Value::Map(head))?;
    Ok(job)
}

/// What a kind of job did not have. Kinds without a time of their own take the one that they have.
fn missing(name: &str, head: &[(Value, Value)]) -> Result<Value, String> {
    let known = |name: &str| head.iter().find(|(key, _)| key.as_str() == Some(name)).map(|(_, value)| value.clone());
    match name {
        "tenant_id" => Ok(SYS.into()),
        "description" => Ok("".into()),
        "started_ms" => Ok(0.into()),
        "progress_ms" => known("started_ms").ok_or_else(|| "a job has no time".to_owned()),
        "ended_ms" | "failure" | "trouble" => Ok(Value::Nil),
        _ => Err(format!("a job has no {name}")),
    }
}

fn data_task_kind(job: &Value) -> Result<&'static str, String> {
    let fields = job.as_map().ok_or("a backup is no struct")?;
    let mode = fields.iter().find(|(key, _)| key.as_str() == Some("mode")).ok_or("a backup has no mode")?;
    Ok(if mode.1.as_str() == Some("Synthetic") { "Synthetic" } else { "BackupLs" })
}

fn task_id(kind: &str, part: Value) -> Value {
    Value::Map(vec![("kind".into(), kind.into()), ("part".into(), part)])
}

fn part(of: Of, key: Value) -> Result<Value, String> {
    Ok(match of {
        Of::StreamOrRest if key.as_u64() == Some(0) => "Rest".into(),
        Of::Stream | Of::StreamOrRest => variant("Ls", key),
        Of::Replica => variant("Replica", key),
        Of::Worker => variant("Worker", key),
    })
}

fn rows(map: Value) -> Result<Vec<(Value, Value)>, String> {
    if let Value::Map(rows) = map { Ok(rows) } else { Err("no map where one is looked for".to_owned()) }
}

/// A variant of an enum with what it holds.
fn variant(name: &str, content: Value) -> Value {
    Value::Map(vec![(name.into(), content)])
}

/// A command.
pub(super) fn command(mut tree: Tree) -> Result<Tree, String> {
    let action = take_field(&mut tree.0, "action")?;
    let action = match action {
        Value::Map(mut variants) if variants.len() == 1 => {
            let (name, content) = variants.remove(0);
            renamed(name.as_str().unwrap_or_default(), content)?
        }
        plain => plain,
    };
    put_field(&mut tree.0, "action", action)?;
    Ok(tree)
}

/// What happens to a round, under the name that it had as a command, and without.
const OF_ROUNDS: [(&str, &str); 10] = [
    ("RoundBegun", "Begun"),
    ("MoveRound", "Move"),
    ("RestartRound", "Restart"),
    ("ReopenRound", "Reopen"),
    ("BackupAfterRestart", "BackupAfter"),
    ("PiecesStarted", "PiecesStarted"),
    ("CheckpointPublished", "CheckpointPublished"),
    ("SealPiece", "SealPiece"),
    ("PieceFrozen", "PieceFrozen"),
    ("RoundStopped", "Stopped"),
];

fn of_round(name: &str, mut content: Value) -> Result<Value, String> {
    let (tenant, round) = (take_field(&mut content, "tenant")?, take_field(&mut content, "round")?);
    let is_plain = content.as_map().is_some_and(Vec::is_empty);
    let what = if is_plain { name.into() } else { variant(name, content) };
    let fields = vec![("tenant".into(), tenant), ("round".into(), round), ("what".into(), what)];
    Ok(variant("Round", Value::Map(fields)))
}

fn renamed(name: &str, mut content: Value) -> Result<Value, String> {
    if let Some((_, name)) = OF_ROUNDS.iter().find(|(was, _)| *was == name) {
        return of_round(name, content);
    }
    let advance = |content, job, kind| Ok(variant("AdvanceJob", stages(content, job, kind)?));
    match name {
        "MoveBackup" => advance(content, "job", "Backup"),
        "MoveRestore" => advance(content, "job", "Restore"),
        "MoveRecoverTable" => advance(content, "job", "RecoverTable"),
        "MoveDrill" => advance(content, "drill", "Drill"),
        "MoveClean" => advance(content, "task", "CleanTask"),
        "CancelBackup" | "CancelRestore" | "CancelRecoverTable" | "CancelDrill" | "CancelClean" | "CancelValidate" => {
            put_field(&mut content, "kind", name.trim_start_matches("Cancel").into())?;
            Ok(variant("CancelJob", content))
        }
        "BackupClosed" | "FinishClean" | "FinishValidate" => Ok(variant("CloseJob", content)),
        "StartBackup" | "StartBackups" | "RunSchedule" => {
            let request = take_field(&mut content, "wish")?;
            put_field(&mut content, "request", request)?;
            Ok(variant(name, content))
        }
        "AssignTask" | "TaskLost" => {
            let worker = take_field(&mut content, "executor")?;
            let key = with_part(take_field(&mut content, "key")?, &worker)?;
            put_field(&mut content, "key", key)?;
            put_field(&mut content, "executor", worker)?;
            Ok(variant(name, content))
        }
        "Heartbeats" => {
            let Value::Array(reports) = content else { return Err("heartbeats are no list".to_owned()) };
            let reports: Result<Vec<Value>, String> = reports.into_iter().map(report).collect();
            Ok(variant(name, Value::Array(reports?)))
        }
        _ => Ok(variant(name, content)),
    }
}

fn stages(mut content: Value, job: &str, kind: &str) -> Result<Value, String> {
    let id = take_field(&mut content, job)?;
    put_field(&mut content, "job", id)?;
    for name in ["from", "to"] {
        let stage = take_field(&mut content, name)?;
        put_field(&mut content, name, variant(kind, stage))?;
    }
    Ok(content)
}

fn report(mut report: Value) -> Result<Value, String> {
    let worker = take_field(&mut report, "worker_id")?;
    let Value::Array(tasks) = take_field(&mut report, "tasks")? else { return Err("tasks are no list".to_owned()) };
    let mut named = Vec::with_capacity(tasks.len());
    for mut task in tasks {
        let key = with_part(take_field(&mut task, "key")?, &worker)?;
        put_field(&mut task, "key", key)?;
        named.push(task);
    }
    put_field(&mut report, "tasks", Value::Array(named))?;
    put_field(&mut report, "worker_id", worker)?;
    Ok(report)
}

/// The name of a task, which had the number of its log stream; 0 was none.
fn with_part(mut key: Value, worker: &Value) -> Result<Value, String> {
    let ls = take_field(&mut key, "ls_id")?;
    let kind = take_field(&mut key, "kind")?;
    let part = match kind.as_str() {
        Some("BackupIndex") => "Tenant".into(),
        Some("DestCheck") => variant("Worker", worker.clone()),
        Some("RestoreData") => variant("Replica", Value::Array(vec![ls, worker.clone()])),
        Some("Validate" | "Clean") => part(Of::StreamOrRest, ls)?,
        _ => part(Of::Stream, ls)?,
    };
    put_field(&mut key, "part", part)?;
    put_field(&mut key, "kind", kind)?;
    Ok(key)
}
