//! `strandline scheduler` and `strandline worker`: one server per process, from a TOML file.
//!
//! The process ends on SIGINT or SIGTERM after a clean shutdown. `kill -9` is allowed at any moment: everything that was
//! acknowledged is on disk before it is acknowledged.

use crate::Outcome;
use crate::args::ServerArgs;
use crate::output::{io_failure, print_line};
use serde::de::DeserializeOwned;
use std::path::Path;
use strandline_scheduler::SchedulerConfig;
use strandline_types::{ErrorClass, Failure};
use strandline_worker::WorkerConfig;
use tokio::io::AsyncReadExt;
use tokio::signal::unix::{SignalKind, signal};

/// Runs a scheduler node until it is told to stop.
pub async fn scheduler(args: ServerArgs) -> Outcome<()> {
    let mut config: SchedulerConfig = load(&args.config)?;
    if args.node_id_from_hostname {
        config.node_id += own_ordinal()?;
    }
    config.check()?;
    check_disk(&config.data_dir)?;
    strandline_scheduler::DATA_VERSIONS.check(&config.data_dir)?;
    if args.check {
        return print_line(&format!("scheduler {}: the configuration can work", config.node_id));
    }
    let handle = strandline_scheduler::serve(config).await?;
    until_stopped(args.stop_with_stdin).await?;
    handle.shutdown().await;
    Ok(())
}

/// Runs a worker until it is told to stop.
pub async fn worker(args: ServerArgs) -> Outcome<()> {
    let mut config: WorkerConfig = load(&args.config)?;
    if args.node_id_from_hostname {
        config.node_id += own_ordinal()?;
    }
    config.check()?;
    check_disk(&config.data_dir)?;
    strandline_worker::DATA_VERSIONS.check(&config.data_dir)?;
    if args.check {
        return print_line(&format!("worker {}: the configuration can work", config.node_id));
    }
    let handle = strandline_worker::serve(config).await?;
    until_stopped(args.stop_with_stdin).await?;
    handle.shutdown().await;
    Ok(())
}

/// The data directory is one, or can become one.
fn check_disk(dir: &Path) -> Outcome<()> {
    match std::fs::metadata(dir) {
        Ok(found) if !found.is_dir() => Err(Failure::new(
            ErrorClass::Invalid,
            "it is no directory",
            dir.display().to_string(),
            "name another data_dir",
        )),
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(io_failure("cannot look at the data directory", dir, &e))
        }
        _ => Ok(()),
    }
}

/// Waits for SIGINT, SIGTERM, or (when asked) the end of standard input.
pub async fn until_stopped(with_stdin: bool) -> Outcome<()> {
    let listen = |kind| {
        signal(kind).map_err(|e| Failure::new(ErrorClass::Exhausted, format!("cannot listen: {e}"), "signals", ""))
    };
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        () = stdin_closed(), if with_stdin => {}
    }
    Ok(())
}

async fn stdin_closed() {
    let (mut stdin, mut buffer) = (tokio::io::stdin(), [0u8; 64]);
    while matches!(stdin.read(&mut buffer).await, Ok(n) if n > 0) {}
}

/// Reads a configuration; `${NAME}` in it is replaced by the environment variable of that name.
fn load<T: DeserializeOwned>(file: &Path) -> Outcome<T> {
    let text = std::fs::read_to_string(file).map_err(|e| io_failure("cannot read the configuration", file, &e))?;
    let text = expand(&text, |name| std::env::var(name).ok())
        .map_err(|name| invalid(file, &format!("the environment variable {name} is not set"), "set it"))?;
    toml::from_str(&text).map_err(|e| invalid(file, &format!("not a configuration: {e}"), "see docs/operations.md"))
}

fn invalid(file: &Path, what: &str, todo: &str) -> Failure {
    Failure::new(ErrorClass::Invalid, what, file.display().to_string(), todo)
}

/// Replaces every `${NAME}`; `Err` is the name that has no value.
fn expand(text: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find("${") {
        let Some(len) = rest[at..].find('}') else { break };
        out.push_str(&rest[..at]);
        let name = &rest[at + 2..at + len];
        out.push_str(&value(name).ok_or_else(|| name.to_owned())?);
        rest = &rest[at + len + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

/// The ordinal of this pod, from its host name.
fn own_ordinal() -> Outcome<u64> {
    let name = std::env::var("HOSTNAME").or_else(|_| std::fs::read_to_string("/etc/hostname")).unwrap_or_default();
    ordinal(name.trim()).ok_or_else(|| {
        let todo = "run in a StatefulSet, or put node_id into the configuration and leave --node-id-from-hostname away";
        Failure::new(ErrorClass::Invalid, "the host name ends in no number", name.trim(), todo)
    })
}

fn ordinal(host: &str) -> Option<u64> {
    host.split('.').next()?.rsplit_once('-')?.1.parse().ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_pod_ordinal_is_the_number_after_the_last_dash() {
        assert_eq!(ordinal("strandline-worker-12"), Some(12));
        assert_eq!(ordinal("strandline-worker-0.workers.ns.svc"), Some(0));
        assert_eq!(ordinal("laptop"), None);
        assert_eq!(ordinal("my-laptop"), None);
    }

    #[test]
    fn a_configuration_takes_values_from_the_environment_and_names_the_missing_one() {
        let env = |name: &str| (name == "POD").then(|| "p-1".to_owned());
        assert_eq!(expand("listen = \"${POD}.x:1\"", env).unwrap(), "listen = \"p-1.x:1\"");
        assert_eq!(expand("a ${NO} b", env).unwrap_err(), "NO");
        assert_eq!(expand("a ${POD", env).unwrap(), "a ${POD");
    }
}
