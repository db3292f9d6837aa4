//! A record over three versions of a program.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::rename_field;
use proptest::prelude::*;
use serde::Deserialize;
use std::collections::BTreeMap;

/// As the first version wrote it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Job1 {
    id: u64,
    tenant: String,
    what: What1,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum What1 {
    Backup { full: bool },
    Clean,
}

/// As the second version wrote it: a field has another name, variants stand in another order, a variant and a field are new.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Job2 {
    #[serde(default)]
    priority: Option<u8>,
    tenant_name: String,
    id: u64,
    what: What2,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum What2 {
    Restore(Vec<(u64, i32)>),
    Clean,
    Backup { full: bool },
}

fn name_the_tenant(mut tree: Tree) -> Result<Tree, String> {
    rename_field(&mut tree, "tenant", "tenant_name")?;
    Ok(tree)
}

const KIND: &str = "a job";

fn too_old<T>() -> Result<T, StoredError> {
    Err(StoredError::TooOld { kind: KIND, oldest: FIRST_VERSION })
}

impl Stored for Job1 {
    const KIND: &'static str = KIND;
    const VERSION: u8 = FIRST_VERSION;
    const STEPS: &'static [Step] = &[];

    fn unversioned(_: &[u8]) -> Result<Self, StoredError> {
        too_old()
    }
}

impl Stored for Job2 {
    const KIND: &'static str = KIND;
    const VERSION: u8 = FIRST_VERSION + 1;
    const STEPS: &'static [Step] = &[name_the_tenant];

    fn unversioned(_: &[u8]) -> Result<Self, StoredError> {
        too_old()
    }
}

fn old() -> Job1 {
    Job1 { id: 7, tenant: "acme".to_owned(), what: What1::Backup { full: true } }
}

fn new() -> Job2 {
    Job2 { priority: None, tenant_name: "acme".to_owned(), id: 7, what: What2::Backup { full: true } }
}

#[test]
fn a_record_of_the_version_before_is_brought_up_to_date() {
    assert_eq!(decode::<Job2>(&encode(&old()).unwrap()).unwrap(), new());
}

#[test]
fn a_step_that_does_not_find_what_it_looks_for_says_so() {
    let bytes = [vec![FIRST_VERSION, 0], rmp_serde::to_vec_named(&BTreeMap::from([("id", 7)])).unwrap()].concat();
    let why = "it has no field tenant".to_owned();
    assert_eq!(decode::<Job2>(&bytes), Err(StoredError::Malformed { kind: KIND, why }));
}

#[test]
fn a_record_of_a_newer_program_is_refused_with_what_to_do() {
    let refused = decode::<Job1>(&encode(&new()).unwrap()).unwrap_err();
    assert_eq!(refused, StoredError::TooNew { kind: KIND, found: 3, known: 2 });
    assert!(refused.into_failure("log").to_string().contains("upgrade this node"));
}

#[test]
fn what_was_written_before_there_were_versions_is_the_types_own_business() {
    for first in [0, 1, LAST_VERSION + 1, 0xff] {
        assert_eq!(decode::<Job1>(&[first, 1, 2]), too_old());
    }
}

#[test]
fn nothing_and_a_record_that_is_cut_off_or_goes_on_are_malformed() {
    let whole = encode(&new()).unwrap();
    for bytes in (0..whole.len()).map(|n| whole[..n].to_vec()).chain([[whole.clone(), vec![0]].concat()]) {
        assert!(matches!(decode::<Job2>(&bytes), Err(StoredError::Malformed { .. })), "{bytes:?}");
    }
}

#[test]
fn the_bytes_of_a_value_are_those_that_it_takes_in_a_record() {
    assert_eq!(bytes_in_record(&new()) + 2, encode(&new()).unwrap().len());
}

proptest! {
    #[test]
    fn every_record_comes_back(id: u64, tenant_name: String, priority: Option<u8>, steps: Vec<(u64, i32)>) {
        let record = Job2 { priority, tenant_name, id, what: What2::Restore(steps) };
        prop_assert_eq!(decode::<Job2>(&encode(&record).unwrap()).unwrap(), record);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes: Vec<u8>) {
        let _ = decode::<Job2>(&bytes);
    }
}
