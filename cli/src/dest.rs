//! `strandline dest check URI`: what a destination really does, probed from this machine and, with `--workers`, from
//! every worker of the cluster: mounts, routes, clocks and keys may differ from place to place.
//!
//! Exit codes of its own: 0 = everything is as it has to be, 3 = something is bad, 1 = it could not be looked at from
//! some place. Only objects below `check_file/` are written and removed, and no key is ever printed.

use crate::admin::Admin;
use crate::args::{ClientArgs, DestArgs, DestCommand};
use crate::{Outcome, endpoints, output};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::Duration;
use strandline_media::{Finding, open_patiently, probe, split_secrets};
use strandline_proto::bounds::Bounded;
use strandline_proto::v1::probe_client::ProbeClient;
use strandline_proto::{OnWire, v1};
use strandline_types::{Failure, Verdict};
use tonic::transport::Endpoint;

/// Something is bad.
const BAD: u8 = 3;
/// The destination could not be looked at.
const NOT_SEEN: u8 = 1;
/// A worker has so long for all of its probes.
const WORKER_TIMEOUT: Duration = Duration::from_secs(180);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What one place saw.
struct Sight {
    from: String,
    findings: Vec<Finding>,
}

/// Probes, prints the findings, and gives the exit code.
pub async fn run(client: &ClientArgs, args: DestArgs) -> Outcome<ExitCode> {
    let DestCommand::Check { uri, workers } = args.command;
    let (uri, access) = split_secrets(&uri);
    let medium = open_patiently(&uri, &access)?;
    let mut sights = vec![Sight { from: "here".to_owned(), findings: probe(&*medium).await }];
    if workers {
        sights.extend(from_workers(client, &uri, &access).await?);
    }
    if client.wants_json() {
        output::print_json(&document(&medium.uri(), &sights))?;
    } else {
        output::print_line(&medium.uri())?;
        let header = ["from", "probe", "verdict", "ms", "detail"].map(str::to_owned);
        let rows: Vec<Vec<String>> = sights.iter().flat_map(rows).collect();
        output::print_table(&header, &rows)?;
        output::print_line(summary(&sights))?;
    }
    Ok(code(&sights).into())
}

/// Asks every worker, one after the other: probes of several at once would see each other's traffic.
async fn from_workers(client: &ClientArgs, uri: &str, access: &str) -> Outcome<Vec<Sight>> {
    let admin = Admin::new(&endpoints::schedulers(client)?)?;
    let topology = admin.patient(client.patience()).topology("").await?;
    let mut sights = Vec::new();
    for worker in topology.workers {
        let from = format!("worker {}", worker.node_id);
        let spec = v1::DestCheckSpec {
            dest_uri: uri.to_owned(),
            access: access.to_owned(),
            owner: None,
            key_source: String::new(),
        };
        let findings = match ask(&worker.address, spec).await {
            Ok(result) => result.findings.into_iter().map(finding).collect(),
            Err(reason) => vec![unreached(&worker.address, &reason)],
        };
        sights.push(Sight { from, findings });
    }
    Ok(sights)
}

async fn ask(address: &str, spec: v1::DestCheckSpec) -> Result<v1::DestCheckResult, String> {
    let endpoint = Endpoint::from_shared(format!("http://{address}")).map_err(|e| e.to_string())?;
    let endpoint = endpoint.connect_timeout(CONNECT_TIMEOUT).timeout(WORKER_TIMEOUT);
    let channel = endpoint.connect().await.map_err(|e| e.to_string())?;
    spec.check().map_err(|e| e.to_string())?;
    let reply = ProbeClient::new(channel).check_dest(spec).await.map_err(|e| e.message().to_owned())?.into_inner();
    match (reply.result, reply.failure) {
        (_, Some(failure)) => Err(Failure::from(failure).to_string()),
        (Some(result), None) => Ok(result),
        (None, None) => Err("an empty reply".to_owned()),
    }
}

fn finding(f: v1::DestFinding) -> Finding {
    // A verdict of a newer worker that is not known here is no good one.
    let verdict = Verdict::from_wire(f.verdict).unwrap_or(Verdict::Bad);
    Finding { probe: f.probe, verdict, detail: f.detail, took_us: f.took_us }
}

fn unreached(address: &str, reason: &str) -> Finding {
    let detail = format!("the worker at {address} did not look: {reason}");
    Finding { probe: "connect".to_owned(), verdict: Verdict::Bad, detail, took_us: 0 }
}

fn rows(sight: &Sight) -> Vec<Vec<String>> {
    let row = |f: &Finding| {
        let ms = format!("{:.1}", f.took_us as f64 / 1000.0);
        vec![sight.from.clone(), f.probe.clone(), f.verdict.word().to_owned(), ms, f.detail.clone()]
    };
    sight.findings.iter().map(row).collect()
}

/// The findings of this machine at the top, those of workers below `workers`.
fn document(dest: &str, sights: &[Sight]) -> Value {
    let findings = |sight: &Sight| -> Vec<Value> {
        let one = |f: &Finding| json!({ "probe": f.probe, "verdict": f.verdict.word(), "detail": f.detail, "took_us": f.took_us });
        sight.findings.iter().map(one).collect()
    };
    let workers: Vec<Value> =
        sights.iter().skip(1).map(|s| json!({ "worker": s.from, "findings": findings(s) })).collect();
    json!({
        "dest": dest,
        "verdict": worst(sights).word(),
        "findings": sights.first().map(findings),
        "workers": workers,
    })
}

fn worst(sights: &[Sight]) -> Verdict {
    sights.iter().flat_map(|s| &s.findings).map(|f| f.verdict).max().unwrap_or(Verdict::Bad)
}

fn code(sights: &[Sight]) -> u8 {
    let is_blind = |s: &Sight| matches!(&s.findings[..], [] | [Finding { verdict: Verdict::Bad, .. }]);
    match worst(sights) {
        Verdict::Bad if sights.iter().any(is_blind) => NOT_SEEN,
        Verdict::Bad => BAD,
        _ => 0,
    }
}

fn summary(sights: &[Sight]) -> &'static str {
    match (code(sights), worst(sights)) {
        (NOT_SEEN, _) => "the destination could not be looked at",
        (BAD, _) => "do not use this destination as it is",
        (_, Verdict::Limited) => "the destination is good, with limits",
        _ => "the destination is good",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sight(from: &str, findings: &[(&str, Verdict)]) -> Sight {
        let one = |(probe, verdict): &(&str, Verdict)| Finding {
            probe: (*probe).to_owned(),
            verdict: *verdict,
            detail: "because".to_owned(),
            took_us: 1500,
        };
        Sight { from: from.to_owned(), findings: findings.iter().map(one).collect() }
    }

    #[test]
    fn the_exit_code_tells_bad_from_not_seen() {
        let good = || sight("here", &[("connect", Verdict::Good), ("delete", Verdict::Limited)]);
        assert_eq!(code(&[good()]), 0);
        assert_eq!(code(&[good(), sight("worker 1", &[("connect", Verdict::Bad)])]), NOT_SEEN);
        assert_eq!(code(&[good(), sight("worker 1", &[("connect", Verdict::Good), ("write", Verdict::Bad)])]), BAD);
        let document = document("file:///x", &[good(), good()]);
        assert_eq!((&document["verdict"], &document["findings"][1]["took_us"]), (&json!("limited"), &json!(1500)));
        assert_eq!(document["workers"][0]["findings"][1]["verdict"], json!("limited"));
    }
}
