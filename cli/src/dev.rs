//! `strandline dev`: three schedulers and three workers in this process, on loopback, with their files in one directory.
//!
//! The ports are remembered in the directory, so clients find the cluster again and a second start continues with the
//! same data. Nothing is configured.

use crate::args::{ClientArgs, DevArgs};
use crate::cluster::config::{self, Identity};
use crate::cluster::places::{Places, places_file};
use crate::output::{self, io_failure};
use crate::{Outcome, server};
use serde::de::DeserializeOwned;
use serde_json::json;
use std::path::{Path, PathBuf};
use strandline_scheduler::SchedulerHandle;
use strandline_types::{ErrorClass, Failure};
use strandline_worker::WorkerHandle;

const SCHEDULERS: usize = 3;
const WORKERS: usize = 3;

/// Runs the cluster until SIGINT or SIGTERM.
pub async fn run(client: &ClientArgs, args: DevArgs) -> Outcome<()> {
    let dir = std::path::absolute(&client.dir).map_err(|e| io_failure("cannot resolve", &client.dir, &e))?;
    if args.fresh {
        remove_old(&dir)?;
    }
    let places = open(&dir)?;
    let (schedulers, workers) = start(&dir, &places).await?;
    print_endpoints(client, &places)?;
    server::until_stopped(args.stop_with_stdin).await?;
    for worker in workers {
        worker.shutdown().await;
    }
    for scheduler in schedulers {
        scheduler.shutdown().await;
    }
    Ok(())
}

/// The remembered places, or new ones.
fn open(dir: &Path) -> Outcome<Places> {
    std::fs::create_dir_all(dir).map_err(|e| io_failure("cannot make the directory", dir, &e))?;
    if let Some(places) = Places::load(dir)? {
        return Ok(places);
    }
    let places = Places::free(SCHEDULERS, WORKERS)?;
    places.save(dir)?;
    Ok(places)
}

/// Only a directory that a development cluster made is removed.
fn remove_old(dir: &Path) -> Outcome<()> {
    if !dir.exists() {
        return Ok(());
    }
    if !places_file(dir).exists() {
        let todo = "name a directory of a `strandline dev`, or start without --fresh";
        let object = dir.display().to_string();
        return Err(Failure::new(ErrorClass::Invalid, "this is no directory of a development cluster", object, todo));
    }
    std::fs::remove_dir_all(dir).map_err(|e| io_failure("cannot remove", dir, &e))
}

async fn start(dir: &Path, places: &Places) -> Outcome<(Vec<SchedulerHandle>, Vec<WorkerHandle>)> {
    let identity = Identity { id: 1, name: "dev".to_owned() };
    let mut starting = Vec::new();
    for i in 0..places.schedulers.len() {
        let disk = disk(dir, "scheduler", i as u64 + 1)?;
        let config = read(&config::scheduler(&identity, places, i, &disk))?;
        starting.push(strandline_scheduler::serve(config));
    }
    let schedulers = futures::future::try_join_all(starting).await?;
    let mut workers = Vec::new();
    for i in 0..places.workers.len() {
        let disk = disk(dir, "worker", config::FIRST_WORKER + i as u64)?;
        workers.push(strandline_worker::serve(read(&config::worker(places, i, &disk))?).await?);
    }
    Ok((schedulers, workers))
}

fn disk(dir: &Path, kind: &str, node: u64) -> Outcome<PathBuf> {
    let disk = dir.join(format!("{kind}-{node}"));
    std::fs::create_dir_all(&disk).map_err(|e| io_failure("cannot make the directory", &disk, &e))?;
    Ok(disk)
}

fn read<T: DeserializeOwned>(text: &str) -> Outcome<T> {
    toml::from_str(text).map_err(|e| Failure::new(ErrorClass::Invalid, e.to_string(), "development configuration", ""))
}

fn print_endpoints(client: &ClientArgs, places: &Places) -> Outcome<()> {
    if client.wants_json() {
        return output::print_json(&json!(places));
    }
    let schedulers = places.schedulers.iter().enumerate().map(|(i, s)| {
        vec![format!("scheduler {}", i + 1), s.grpc.clone(), s.mysql.clone(), format!("http://{}", s.http)]
    });
    let workers = places.workers.iter().enumerate().map(|(i, w)| {
        let name = format!("worker {}", config::FIRST_WORKER + i as u64);
        vec![name, w.grpc.clone(), String::new(), format!("http://{}", w.http)]
    });
    let rows: Vec<_> = schedulers.chain(workers).collect();
    output::print_table(&["SERVER", "GRPC", "MYSQL", "HTTP"].map(str::to_owned), &rows)
}
