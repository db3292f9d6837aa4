//! Destinations as users type them: one spelling each, one notion of "the same place", and no key in any text.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use strandline_types::{Access, Address, DestUri, MASK, Scheme, limits, masked, split_destinations};

/// A path of one to four names that need no care.
fn path() -> impl Strategy<Value = String> {
    prop::collection::vec("[A-Za-z0-9_.-]{0,5}[A-Za-z0-9]", 1..4).prop_map(|names| names.join("/"))
}

fn attributes() -> impl Strategy<Value = String> {
    let values = [("max_iops", "5"), ("s3_region", "eu-1"), ("delete_mode", "tagging"), ("checksum_type", "md5")];
    prop::sample::subsequence(values.to_vec(), 0..=4)
        .prop_shuffle()
        .prop_map(|pairs| pairs.iter().map(|(name, value)| format!("&{name}={value}")).collect())
}

/// Any destination that can be typed, with slashes too many and attributes in any order.
fn typed() -> impl Strategy<Value = String> {
    let slash = prop::sample::select(vec!["", "/", "//"]);
    let host = prop::sample::select(vec!["h", "H", "https://h/", "http://127.0.0.1:9000", "http://127.0.0.1:9001/"]);
    let store = (prop::sample::select(vec!["s3", "oss", "azblob"]), path(), slash.clone(), host, attributes())
        .prop_map(|(scheme, path, slash, host, attributes)| {
            format!("{scheme}://b/{path}{slash}?host={host}{attributes}")
        });
    let directory = (path(), slash).prop_map(|(path, slash)| format!("file:///{path}{slash}"));
    prop_oneof![store, directory]
}

fn uri(text: &str) -> DestUri {
    DestUri::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

proptest! {
    #[test]
    fn a_destination_has_one_spelling_and_that_is_itself_one(text in typed()) {
        let parsed = uri(&text);
        prop_assert_eq!(&uri(&parsed.to_string()), &parsed);
        prop_assert_eq!(uri(&parsed.to_string()).to_string(), parsed.to_string());
        prop_assert!(uri(&parsed.place().to_string()).is_same_place(&parsed), "the name of a place names it");
    }

    #[test]
    fn the_same_place_is_an_equivalence_that_attributes_do_not_touch(text in typed(), other in typed()) {
        let (a, b) = (uri(&text), uri(&other));
        prop_assert!(a.is_same_place(&a));
        prop_assert_eq!(a.is_same_place(&b), b.is_same_place(&a));
        prop_assert_eq!(a.is_same_place(&b), a.place() == b.place());
        prop_assert!(a == b || a.to_string() != b.to_string());
    }

    #[test]
    fn what_lies_below_lies_inside_and_its_parent_is_this(text in typed(), name in "[a-z0-9]{1,6}") {
        let outer = uri(&text);
        let inner = outer.below(&name);
        prop_assert!(inner.place().is_inside(outer.place()) && !outer.place().is_inside(inner.place()));
        prop_assert!(inner.overlaps(&outer) && outer.overlaps(&inner) && !inner.is_same_place(&outer));
        prop_assert_eq!(inner.place().path_below(outer.place()), Some(name.as_str()));
        prop_assert_eq!(inner.parent(), Some((outer.clone(), name.as_str())));
        let beside = outer.below(&format!("{name}x"));
        prop_assert!(!beside.overlaps(&inner), "{beside} is no part of {inner}");
    }

    #[test]
    fn inside_is_transitive_and_never_goes_both_ways(text in typed(), names in prop::collection::vec("[a-z]{1,3}", 2..5)) {
        let chain: Vec<DestUri> = names.iter().scan(uri(&text), |at, name| {
            *at = at.below(name);
            Some(at.clone())
        }).collect();
        for (n, outer) in chain.iter().enumerate() {
            for (m, inner) in chain.iter().enumerate() {
                prop_assert_eq!(inner.place().is_inside(outer.place()), m > n);
            }
        }
    }

    #[test]
    fn an_attribute_that_is_set_is_read_and_one_that_is_emptied_is_gone(text in typed(), value in "[a-z0-9]{1,8}") {
        let before = uri(&text);
        let after = before.with_attributes(&format!("max_bandwidth={value}")).unwrap();
        prop_assert_eq!(after.attribute("max_bandwidth"), Some(value.as_str()));
        prop_assert!(after.is_same_place(&before));
        prop_assert_eq!(after.with_attributes("max_bandwidth=").unwrap(), before);
    }

    #[test]
    fn a_key_never_comes_back_in_any_text(text in typed(), key in "[A-Za-z0-9+/]{12,40}") {
        let mark = if text.contains('?') { '&' } else { '?' };
        let with_key = format!("{text}{mark}access_id=AK&access_key={key}");
        let address = Address::parse(&with_key).unwrap();
        let (below, refused) = (address.below("t"), DestUri::parse(&with_key).unwrap_err());
        let shown = format!("{address} {address:?} {below:?} {} {}", address.access, masked(&with_key));
        prop_assert!(!shown.contains(&key), "{shown}");
        prop_assert_eq!(address.access.reveal(), format!("access_id=AK&access_key={key}"));
        prop_assert_eq!((address.uri, below.access), (uri(&text), address.access));
        prop_assert!(!format!("{refused:?}").contains(&key), "{refused:?}");
    }

    #[test]
    fn a_list_gives_its_destinations_whatever_blanks_and_commas_stand_between(texts in prop::collection::vec(typed(), 1..4)) {
        for between in [",", " , ", ",,", ", ,"] {
            let list = texts.join(between);
            prop_assert_eq!(split_destinations(&list), texts.clone());
        }
    }

    #[test]
    fn no_text_makes_the_grammar_panic(text in "(file|s3|azblob|cos|://|/|\\.\\.|\\?|&|=|host|@|\\[|:|[a-z]{0,3}|ü){0,14}") {
        if let Ok(address) = Address::parse(&text) {
            prop_assert_eq!(uri(&address.uri.to_string()), address.uri);
        }
    }
}

#[test]
fn every_kind_of_destination_is_known_by_its_scheme() {
    for (text, scheme) in [
        ("file:///a", Scheme::File),
        ("mem://a", Scheme::Memory),
        ("s3://b", Scheme::S3),
        ("oss://b", Scheme::Oss),
        ("azblob://c", Scheme::Azure),
    ] {
        assert_eq!(uri(text).place().scheme, scheme);
        assert!(text.starts_with(scheme.name()));
    }
}

#[test]
fn hosts_that_cannot_be_one_are_refused_with_what_a_host_is() {
    for (host, word) in [
        ("ftp://h", "http://"),
        ("me:pass@h", "access_id"),
        ("h?x", "at most a path"),
        ("h:0", "1 to 65535"),
        ("h:65536", "1 to 65535"),
        ("fe80::1", "[ ]"),
        ("https://", "names no server"),
    ] {
        let refused = DestUri::parse(&format!("s3://b/x?host={host}")).unwrap_err();
        assert!(refused.what.contains(word), "{host}: {refused}");
    }
    assert_eq!(uri("s3://b?host=[::1]:9000").attribute("host"), Some("[::1]:9000"));
}

#[test]
fn a_text_that_is_too_long_or_has_control_characters_is_refused() {
    let long = format!("file:///{}", "x".repeat(limits::DEST_URI_BYTES_MAX));
    for (text, word) in [(long.as_str(), "bytes"), ("file:///a\nb", "control"), ("file:///a\0", "control")] {
        assert!(DestUri::parse(text).unwrap_err().what.contains(word));
    }
}

#[test]
fn keys_with_ampersands_in_them_are_keys_to_their_end() {
    let address = Address::parse("s3://b/x?access_key=a&b=c&max_iops=5&host=h").unwrap();
    assert_eq!(address.access.reveal(), "access_key=a&b=c");
    assert_eq!(address.uri.to_string(), "s3://b/x?host=h&max_iops=5");
    assert_eq!(address.access.to_string(), format!("access_key={MASK}&{MASK}"));
    assert!(Access::default().is_empty() && Access::new("").to_string().is_empty());
}
