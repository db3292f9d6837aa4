//! Where the cluster is: `--endpoint` (or its environment variable) first, then what a `strandline dev` in `--dir`
//! wrote down.

use crate::Outcome;
use crate::args::ClientArgs;
use crate::cluster::places::Places;
use strandline_types::{ErrorClass, Failure};

/// The scheduler addresses that a client command tries, in order.
pub fn schedulers(args: &ClientArgs) -> Outcome<Vec<String>> {
    // An address has no blank in it: blanks separate as commas do, and what is empty is no address.
    let given: Vec<String> = args.endpoint.iter().flat_map(|e| e.split_whitespace()).map(str::to_owned).collect();
    if !given.is_empty() {
        return Ok(given);
    }
    match Places::load(&args.dir)? {
        Some(places) => Ok(places.endpoints()),
        None => Err(Failure::new(
            ErrorClass::Invalid,
            "no cluster is named",
            args.dir.display().to_string(),
            "give --endpoint HOST:PORT (or STRANDLINE_ENDPOINTS), or start `strandline dev` in this directory",
        )),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::cluster::places::SchedulerPlace;
    use std::path::Path;

    fn args(dir: &Path, endpoint: &[&str]) -> ClientArgs {
        let endpoint = endpoint.iter().map(|&e| e.to_owned()).collect();
        ClientArgs::of(dir.to_owned(), endpoint)
    }

    #[test]
    fn given_endpoints_win_over_the_dev_directory_and_nothing_at_all_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let failure = schedulers(&args(dir.path(), &[])).unwrap_err();
        assert!(failure.todo.contains("--endpoint"), "{failure}");
        let scheduler = SchedulerPlace { grpc: "a:1".into(), mysql: "a:2".into(), http: "a:3".into() };
        let places = Places { schedulers: vec![scheduler], workers: Vec::new() };
        places.save(dir.path()).unwrap();
        assert_eq!(schedulers(&args(dir.path(), &[])).unwrap(), ["a:1"]);
        assert_eq!(schedulers(&args(dir.path(), &["b:1", " c:1"])).unwrap(), ["b:1", "c:1"]);
        assert_eq!(schedulers(&args(dir.path(), &["b:1 c:1\n", "", " ", "d:1\t"])).unwrap(), ["b:1", "c:1", "d:1"]);
        assert_eq!(schedulers(&args(dir.path(), &["", " "])).unwrap(), ["a:1"], "blanks name no server");
    }
}
