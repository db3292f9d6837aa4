//! `strandline window URI…`: what can be restored from these destinations, and the cause of every gap. Asks no cluster.

use crate::args::{ClientArgs, WindowArgs};
use crate::{Outcome, looks, output};
use serde_json::{Value, json};
use strandline_catalogue::{Restorable, Window, restorable, windows};
use strandline_reader::{Scan, scan_all};
use strandline_types::{Scn, scn_text};

/// Runs the command.
pub async fn run(client: &ClientArgs, args: &WindowArgs) -> Outcome<()> {
    let found = scan_all(&looks::sources(&args.uris)?).await?;
    let all = restorable(&found.catalogue);
    let by_set = windows(&found.catalogue);
    if client.wants_json() {
        return output::print_json(&as_json(&found, &all, &by_set));
    }
    print(&found, &all, &by_set)
}

fn as_json(found: &Scan, all: &Restorable, by_set: &[Window]) -> Value {
    let bounds = |from: Scn, to: Scn| json!({ "from_scn": from, "from": text(from), "to_scn": to, "to": text(to) });
    let interval = |(from, to): &(Scn, Scn)| bounds(*from, *to);
    let gap = |g: &strandline_catalogue::Gap| {
        let mut value = bounds(g.from, g.to);
        value["causes"] = json!(g.causes);
        value
    };
    let window = |w: &Window| {
        let mut value = bounds(w.from, w.to);
        value["backup_set_id"] = json!(w.set_id);
        value["is_empty"] = json!(w.is_empty());
        value["ended_by"] = json!(w.ended_by.to_string());
        value
    };
    json!({
        "destinations": found.catalogue.places,
        "intervals": all.intervals.iter().map(interval).collect::<Vec<_>>(),
        "gaps": all.gaps.iter().map(gap).collect::<Vec<_>>(),
        "sets": by_set.iter().map(window).collect::<Vec<_>>(),
        "problems": found.problems,
    })
}

fn print(found: &Scan, all: &Restorable, by_set: &[Window]) -> Outcome<()> {
    for place in &found.catalogue.places {
        let role = format!("{:?}", place.role).to_lowercase();
        output::print_line(&format!(
            "{}: {role} of tenant {} ({})",
            place.uri, place.tenant_name, place.owner.tenant_id
        ))?;
    }
    for problem in &found.problems {
        output::print_line(&format!("problem: {} [{}]", problem.what, problem.object))?;
    }
    let header = ["RESTORABLE", "FROM", "TO", "FROM_SCN", "TO_SCN", "WHY"].map(str::to_owned);
    let mut rows = Vec::new();
    for (n, gap) in all.gaps.iter().enumerate() {
        let (first, last) = (n == 0, n + 1 == all.gaps.len());
        let from = if first { "…".to_owned() } else { text(gap.from) };
        let to = if last { "…".to_owned() } else { text(gap.to) };
        rows.push(vec!["no".to_owned(), from, to, scn(gap.from), scn(gap.to), gap.causes.join("; ")]);
        if let Some((from, to)) = all.intervals.get(n) {
            let sets = by_set.iter().filter(|w| !w.is_empty() && *from <= w.from && w.to <= *to);
            let sets = sets.map(|w| w.set_id.to_string()).collect::<Vec<_>>().join(", ");
            rows.push(vec![
                "yes".to_owned(),
                text(*from),
                text(*to),
                scn(*from),
                scn(*to),
                format!("backup sets {sets}"),
            ]);
        }
    }
    output::print_table(&header, &rows)
}

fn scn(scn: Scn) -> String {
    if scn == Scn::MIN || scn == Scn::MAX { "…".to_owned() } else { scn.to_string() }
}

fn text(scn: Scn) -> String {
    if scn == Scn::MIN || scn == Scn::MAX { String::new() } else { scn_text(scn) }
}
