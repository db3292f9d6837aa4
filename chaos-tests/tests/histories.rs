//! Random histories on a real cluster, several at a time, while the workers that lead them are killed: for random SCNs
//! inside what can be restored, a restore shows what was acknowledged; outside, it is refused with the nearest bound.
//!
//! A failure prints its seed; `STRANDLINE_SEED=n` lives that history alone, `STRANDLINE_HISTORIES=n` so many.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::time::Instant;
use strandline_chaos::cluster::{History, Outcome, Proof, Site, readers, server_faults};
use strandline_chaos::settings::number;
use strandline_cli::cluster::Cluster;
use tokio::task::JoinSet;

const HISTORIES: u64 = 20;
const AT_A_TIME: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_history_can_be_restored_to_any_moment_of_its_window() {
    let site = Site::new().unwrap_or_else(|f| panic!("{f}"));
    let ran = run(&site).await;
    ran.unwrap_or_else(|failure| panic!("{failure}"));
    site.done();
}

async fn run(site: &Site) -> Outcome<()> {
    let seeds: Vec<u64> = match number("STRANDLINE_SEED") {
        Some(one) => vec![one],
        None => (0..number("STRANDLINE_HISTORIES").unwrap_or(HISTORIES)).collect(),
    };
    let (began, mut all) = (Instant::now(), Proof::default());
    let mut cluster = site.cluster(1, "cluster", 1, 3).await?;
    for seeds in seeds.chunks(AT_A_TIME) {
        let mut histories = Vec::new();
        for seed in seeds {
            histories.push(History::begin(site, &cluster.endpoints(), *seed).await?);
        }
        let lived = live(&mut cluster, histories).await?;
        for history in &lived {
            readers::check(history.home()).unwrap_or_else(|problems| panic!("{}: {problems}", history.events()));
            eprintln!("chaos: {}", history.events());
        }
        for proof in at_once(lived, |mut history| async move { history.prove().await }).await? {
            all.add(proof);
        }
        eprintln!("chaos: {:6.1} s: {all:?}", began.elapsed().as_secs_f64());
    }
    assert_eq!((all.restored, all.refused), (2 * seeds.len(), 2 * seeds.len()));
    cluster.destroy()
}

/// Lives some histories at once; the worker that leads each of them is killed once meanwhile.
async fn live(cluster: &mut Cluster, histories: Vec<History>) -> Outcome<Vec<History>> {
    let names: Vec<String> = histories.iter().map(|h| h.name().to_owned()).collect();
    let living = tokio::spawn(at_once(histories, |mut history| async move { history.live().await.map(|()| history) }));
    for name in names {
        if living.is_finished() {
            break;
        }
        let victim = server_faults::kill_leading_worker(cluster, &name).await?;
        server_faults::until_led_by_others(cluster, &name, victim).await?;
        cluster.restart_killed()?;
    }
    living.await.expect("it does not panic")
}

/// Does the same with all of them at the same time.
async fn at_once<T: Send + 'static, F: Future<Output = Outcome<T>> + Send + 'static>(
    histories: Vec<History>,
    what: impl Fn(History) -> F,
) -> Outcome<Vec<T>> {
    let mut doing: JoinSet<Outcome<T>> = histories.into_iter().map(what).collect();
    let mut done = Vec::new();
    while let Some(ended) = doing.join_next().await {
        done.push(ended.expect("it does not panic")?);
    }
    Ok(done)
}
