//! Words, codes and checks that operators and clients meet: what is read, what is refused, and how it is said.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use std::net::SocketAddr;
use strandline_types::config_check::{check_addresses, check_data_dir, check_listeners, is_host_and_port};
use strandline_types::*;

#[test]
fn the_numbers_of_the_original_that_clients_decide_by() {
    assert_eq!((CODE_NOT_ENOUGH_LOG, CODE_OUTCOME_UNKNOWN, CODE_SCN_PASSED), (-4018, -4012, -4138));
    let failure = Failure::new(ErrorClass::Transient, "w", "o", "t");
    assert_eq!(failure.code, 0, "no number until one is given");
    let numbered = failure.clone().with_code(CODE_OUTCOME_UNKNOWN);
    assert_eq!(numbered.to_string(), failure.to_string(), "a number changes no words");
    assert_ne!(numbered, failure);
}

#[test]
fn a_failure_is_one_line_of_three_parts() {
    for (object, todo, line) in [
        ("tenant t", "ask sys", "it failed [tenant t]: ask sys"),
        ("tenant t", "", "it failed [tenant t]"),
        ("", "ask sys", "it failed []: ask sys"),
        ("[::1]:80", "", "it failed [[::1]:80]"),
    ] {
        assert_eq!(Failure::new(ErrorClass::Exhausted, "it failed", object, todo).to_string(), line);
    }
}

#[test]
fn a_class_of_errors_is_shown_by_its_name() {
    use ErrorClass::*;
    let shown = [Transient, Fenced, NotFound, Permission, Corrupt, Invalid, Exhausted].map(|class| class.to_string());
    assert_eq!(shown, ["Transient", "Fenced", "NotFound", "Permission", "Corrupt", "Invalid", "Exhausted"]);
}

#[test]
fn a_compression_or_a_level_that_is_nearly_one_is_none() {
    for text in ["", " zstd", "zstd ", "zst", "lz4hc", "zstd:3", "gzip", "off", "nonе"] {
        assert_eq!(Compression::parse(text), None, "{text}");
    }
    for text in ["", " basic", "basic ", "bas", "PHYSICALLY", "none"] {
        assert_eq!(ValidateLevel::parse(text), None, "{text}");
    }
    assert_eq!(
        (Compression::parse("LZ4"), Compression::parse("None")),
        (Some(Compression::Lz4), Some(Compression::None))
    );
    assert_eq!(Compression::default(), Compression::None, "nothing is compressed unasked");
    assert_eq!(ValidateLevel::parse("Physical"), Some(ValidateLevel::Physical));
    assert!(ValidateLevel::Basic < ValidateLevel::Physical, "the closer look is the greater one");
}

#[test]
fn of_several_probes_the_worst_one_counts() {
    use Verdict::*;
    for (probes, worst) in [(&[Good, Good][..], Good), (&[Good, Limited, Good], Limited), (&[Bad, Limited, Good], Bad)]
    {
        assert_eq!(probes.iter().max(), Some(&worst));
    }
    assert_eq!([Good, Limited, Bad].map(Verdict::word), ["good", "limited", "bad"]);
}

#[test]
fn a_medium_that_does_not_say_whose_it_is_is_not_taken_for_ours() {
    let owner = |cluster, tenant, dest| DestOwner {
        cluster_id: ClusterId(cluster),
        tenant_id: TenantId(tenant),
        dest_id: DestId(dest),
    };
    let ours = owner(1, 1002, 1001);
    for silent in [owner(0, 1002, 1001), owner(1, 0, 1001), owner(1, 1002, 0), DestOwner::default()] {
        assert!(!ours.is(&silent), "{silent:?}");
        assert!(silent.is(&ours), "who expects less takes what says more: {silent:?}");
    }
    assert!(!owner(1, 1002, 0).is(&owner(2, 1002, 0)) && !owner(0, 0, 1001).is(&owner(1, 1002, 1002)));
}

#[test]
fn an_address_of_a_server_is_a_host_and_a_port() {
    for text in ["a:1", "scheduler-0.svc.local:2882", "10.0.0.1:65535", "[::1]:80", "[fe80::1%eth0]:80", "büro:1"] {
        assert!(is_host_and_port(text), "{text}");
    }
    for text in [
        "",
        ":",
        "a",
        "a:",
        ":1",
        "a:0",
        "a:65536",
        "a:+1",
        "a:-1",
        "a: 1",
        "a:1 ",
        " a:1",
        "a b:1",
        "a:1/",
        "http://a:1",
        "a/b:1",
        "a:１",
    ] {
        assert!(!is_host_and_port(text), "{text:?}");
    }
}

#[test]
fn addresses_that_are_wrong_are_named() {
    let check = |all: &[&str]| check_addresses(&all.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>());
    assert_eq!(check(&[]), Ok(()));
    let twice = check(&["a:1", "b:1", "a:1"]).unwrap_err();
    assert_eq!((twice.class, twice.object.as_str()), (ErrorClass::Invalid, "a:1"));
    let none = check(&["a:1", "http://b:1"]).unwrap_err();
    assert!(none.object.contains("http://b:1") && none.todo.contains(":2882"), "{none}");
    let nameless = check_data_dir(std::path::Path::new("")).unwrap_err();
    assert!(nameless.class == ErrorClass::Invalid && nameless.object.contains("data_dir"), "{nameless}");
}

#[test]
fn listeners_collide_on_every_address_that_covers_the_other() {
    let at = |text: &str| Some(text.parse::<SocketAddr>().unwrap());
    for (a, b) in
        [("[::]:1", "127.0.0.1:1"), ("0.0.0.0:1", "[::]:1"), ("[::1]:1", "[::1]:1"), ("0.0.0.0:1", "0.0.0.0:1")]
    {
        let refused = check_listeners(&[("sql", at("127.0.0.1:9")), ("grpc", at(a)), ("http", at(b))]).unwrap_err();
        assert!(refused.object.contains("grpc and http") && refused.object.contains(b), "{refused}");
    }
    for (a, b) in [("[::1]:1", "127.0.0.1:1"), ("[::]:1", "127.0.0.1:2"), ("0.0.0.0:0", "127.0.0.1:0")] {
        assert!(check_listeners(&[("grpc", at(a)), ("http", at(b))]).is_ok(), "{a} {b}");
    }
    assert!(check_listeners(&[]).is_ok() && check_listeners(&[("grpc", None), ("http", None)]).is_ok());
    let third =
        check_listeners(&[("sql", at("[::]:1")), ("none", None), ("grpc", at("[::]:2")), ("http", at("[::1]:1"))]);
    assert!(third.unwrap_err().object.starts_with("sql and http: [::1]:1"), "the first and the last of several");
}

proptest! {
    #[test]
    fn every_address_that_a_server_can_have_is_a_host_and_a_port(ip: std::net::IpAddr, port in 1u16..) {
        prop_assert!(is_host_and_port(&SocketAddr::new(ip, port).to_string()));
    }

    #[test]
    fn a_number_of_no_kind_of_data_is_refused(n in 3u32..) {
        prop_assert_eq!(DataKind::from_number(n), None);
    }

    #[test]
    fn a_number_of_a_class_that_a_newer_server_has_never_ends_trying(n in 8u32..) {
        prop_assert!(ErrorClass::from_number(n).is_retryable());
    }
}
