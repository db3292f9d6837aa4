//! `strandline dest check URI`: what a destination really does, probed from this machine.
//!
//! Exit codes of its own: 0 = everything is as it has to be, 3 = something is bad, 1 = it could not be looked at. It
//! writes and removes objects below `check_file/` only, and it never prints a key.

use crate::Outcome;
use crate::args::{ClientArgs, DestArgs, DestCommand, OutputForm};
use crate::output;
use serde_json::{Value, json};
use std::process::ExitCode;
use strandline_media::{Finding, Verdict, open, probe, requests_of};

/// Something is bad.
const BAD: u8 = 3;
/// The destination could not be looked at.
const NOT_SEEN: u8 = 1;

/// Probes, prints the findings, and gives the exit code.
pub async fn run(client: &ClientArgs, args: DestArgs) -> Outcome<ExitCode> {
    let DestCommand::Check { uri, json } = args.command;
    let medium = open(&uri)?;
    let findings = probe(&*medium).await;
    if json || client.output == OutputForm::Json {
        output::print_json(&document(&medium.uri(), &findings))?;
    } else {
        output::print_line(&format!("{}, as seen from this machine", medium.uri()))?;
        let header = ["probe", "verdict", "ms", "detail"].map(str::to_owned);
        let rows: Vec<Vec<String>> = findings.iter().map(row).collect();
        output::print_table(&header, &rows)?;
        output::print_line(summary(&findings))?;
    }
    Ok(code(&findings).into())
}

fn row(f: &Finding) -> Vec<String> {
    let ms = f.took_us as f64 / 1000.0;
    vec![f.probe.clone(), f.verdict.word().to_owned(), format!("{ms:.1}"), f.detail.clone()]
}

fn document(dest: &str, findings: &[Finding]) -> Value {
    let findings_json: Vec<Value> = findings
        .iter()
        .map(|f| json!({ "probe": f.probe, "verdict": f.verdict.word(), "detail": f.detail, "took_us": f.took_us }))
        .collect();
    json!({
        "dest": dest,
        "verdict": worst(findings).word(),
        "findings": findings_json,
        "requests": requests_of(dest).requests.total(),
    })
}

fn worst(findings: &[Finding]) -> Verdict {
    findings.iter().map(|f| f.verdict).max().unwrap_or(Verdict::Bad)
}

fn code(findings: &[Finding]) -> u8 {
    match (worst(findings), findings) {
        (Verdict::Bad, [_]) => NOT_SEEN,
        (Verdict::Bad, _) => BAD,
        _ => 0,
    }
}

fn summary(findings: &[Finding]) -> &'static str {
    match (code(findings), worst(findings)) {
        (NOT_SEEN, _) => "the destination could not be looked at",
        (BAD, _) => "do not use this destination as it is",
        (_, Verdict::Limited) => "the destination is good, with limits",
        _ => "the destination is good",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(probe: &str, verdict: Verdict) -> Finding {
        Finding { probe: probe.to_owned(), verdict, detail: "because".to_owned(), took_us: 1500 }
    }

    #[test]
    fn the_exit_code_tells_bad_from_not_seen() {
        let connect = |v| finding("connect", v);
        assert_eq!(code(&[connect(Verdict::Bad)]), NOT_SEEN);
        assert_eq!(code(&[connect(Verdict::Good), finding("write", Verdict::Bad)]), BAD);
        assert_eq!(code(&[connect(Verdict::Good), finding("delete", Verdict::Limited)]), 0);
        let document = document("file:///x", &[connect(Verdict::Good), finding("delete", Verdict::Limited)]);
        assert_eq!((&document["verdict"], &document["findings"][1]["took_us"]), (&json!("limited"), &json!(1500)));
    }
}
