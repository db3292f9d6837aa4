//! The one binary of the system: a development cluster, the servers, SQL, key-value commands, `inspect` and `demo`.
//!
//! Every command lives in a file of its own and returns a [`Failure`] (what happened, to which object, what to do);
//! only [`run`] prints failures and turns them into exit codes (`exit.rs`). Results go to stdout, everything else to
//! stderr, so that `--output json` can be piped.

use clap::Parser;
use std::process::ExitCode;
use std::time::Duration;
use strandline_types::Failure;

pub mod admin;
mod archive_export;
mod args;
mod bench;
mod catalog;
pub mod cluster;
mod demo;
mod dest;
mod dev;
mod endpoints;
mod exit;
mod inspect;
mod jobs;
mod kv;
mod logging;
mod looks;
mod output;
pub mod scrape;
mod server;
mod sql;
mod verify;
mod window;

pub use args::{Args, Command};

/// Longest wait for threads that still work when a command is done.
const SHUTDOWN: Duration = Duration::from_secs(2);

/// What every command gives back.
pub type Outcome<T> = Result<T, Failure>;

/// Reads the arguments, runs the command, prints its failure, and gives the exit code.
#[must_use]
pub fn run() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(usage) if usage.use_stderr() => {
            // A destination that stands in the wrong place is repeated by the usage message.
            eprint!("{}", strandline_types::masked(&usage.to_string()));
            return ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(exit::INTERNAL));
        }
        Err(help) => help.exit(),
    };
    if args.client.form() == args::OutputForm::JsonText {
        output::write_numbers_as_text();
    }
    logging::start(&args);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => {
            eprintln!("strandline: cannot start the runtime: {e}");
            return exit::INTERNAL.into();
        }
    };
    let outcome = runtime.block_on(dispatch(args));
    // A thread that waits for standard input must not hold the process back.
    runtime.shutdown_timeout(SHUTDOWN);
    match outcome {
        Ok(code) => code,
        Err(failure) => {
            eprintln!("strandline: {failure}");
            exit::of(&failure)
        }
    }
}

/// Most commands succeed or fail; `dest check` has an exit code for its findings.
async fn dispatch(args: Args) -> Outcome<ExitCode> {
    let Args { client, command } = args;
    let done = match command {
        Command::Dest(a) => return dest::run(&client, a).await,
        Command::Dev(a) => dev::run(&client, a).await,
        Command::Scheduler(a) => server::scheduler(a).await,
        Command::Worker(a) => server::worker(a).await,
        Command::Sql(a) => sql::run(&client, a).await,
        Command::Kv(a) => kv::run(&client, a).await,
        Command::Inspect(a) => inspect::run(&client, &a).await,
        Command::Window(a) => window::run(&client, &a).await,
        Command::Verify(a) => verify::run(&client, &a).await,
        Command::Archive(a) => archive_export::run(&client, &a).await,
        Command::Catalog(a) => catalog::run(&client, a).await,
        Command::Demo(a) => demo::run(&client, a).await,
        Command::Bench(a) => bench::run(&client, a).await,
    };
    done.map(|()| ExitCode::SUCCESS)
}
