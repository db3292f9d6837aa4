//! Places of destinations: when two texts name one place, when one lies in the other, and which texts name none.
//! A pair that is told wrongly lets two archives write into one directory, or deletes one as a part of the other.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use strandline_types::{DestUri, ErrorClass, Scheme, limits, split_destinations};

fn uri(text: &str) -> DestUri {
    DestUri::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"))
}

fn refused(text: &str, word: &str) {
    let Err(failure) = DestUri::parse(text) else { panic!("{text} is taken") };
    assert!(failure.class == ErrorClass::Invalid && failure.what.contains(word), "{text}: {failure}");
    assert!(failure.todo.contains("file:///path"), "every refusal shows how one is written: {failure}");
}

/// How two places lie to each other.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Lie {
    Same,
    /// The second lies in the first.
    Within,
    Apart,
}

fn lie(outer: &str, inner: &str, expected: Lie) {
    let (a, b) = (uri(outer), uri(inner));
    assert_eq!(a.is_same_place(&b), expected == Lie::Same, "{a} and {b}");
    assert_eq!(b.place().is_inside(a.place()), expected == Lie::Within, "{b} in {a}");
    assert!(!a.place().is_inside(b.place()), "{a} in {b}");
    for (x, y) in [(&a, &b), (&b, &a)] {
        assert_eq!(x.overlaps(y), expected != Lie::Apart, "{x} and {y}");
    }
}

#[test]
fn directories() {
    lie("file:///a/b", "file:////a///b//", Lie::Same);
    lie("file:///a/b", "file:///a/b?max_iops=5", Lie::Same);
    lie("file:///a", "file:///a/b/c", Lie::Within);
    lie("file:///a/b", "file:///a/bc", Lie::Apart);
    lie("file:///a/b", "file:///a/b.old", Lie::Apart);
    lie("file:///a/b", "file:///b", Lie::Apart);
    lie("file:///a/b/c", "file:///x/a/b/c", Lie::Apart);
    lie("file:///a/b", "file:///a/B", Lie::Apart);
}

#[test]
fn buckets() {
    lie("s3://b", "s3://b/", Lie::Same);
    lie("s3://b", "s3://b/x", Lie::Within);
    lie("s3://b/x", "s3://b/x/y?s3_region=r", Lie::Within);
    lie("s3://b/x", "s3://b/xy", Lie::Apart);
    lie("s3://b", "s3://bb/x", Lie::Apart);
    lie("s3://b", "oss://b/x", Lie::Apart);
    lie("s3://a/b", "file:///a/b/c", Lie::Apart);
    lie("s3://b/x", "s3://b/X", Lie::Apart);
}

#[test]
fn servers() {
    lie("s3://b/x?host=h", "s3://b/x?host=HTTPS://H//", Lie::Same);
    lie("s3://b/x?host=h", "s3://b/x/y?host=https://h", Lie::Within);
    lie("s3://b/x?host=http://h", "s3://b/x?host=https://h", Lie::Apart);
    lie("s3://b/x?host=h:1", "s3://b/x?host=h:2", Lie::Apart);
    lie("s3://b/x?host=h:80", "s3://b/x?host=h:0080", Lie::Same);
    lie("s3://b/x?host=[::1]:9000", "s3://b/x?host=[::1]:09000", Lie::Same);
    lie("s3://b/x?host=h/a", "s3://b/x?host=H/a/", Lie::Same);
    lie("s3://b/x?host=h/a", "s3://b/x?host=h/A", Lie::Apart);
    lie("s3://b/x", "s3://b/x?host=h", Lie::Apart);
}

#[test]
fn accounts_of_azure_are_servers() {
    lie("azblob://c/x?account=a", "azblob://c/x?account=A", Lie::Same);
    lie("azblob://c/x?account=a", "azblob://c/x?host=https://a.blob.core.windows.net/", Lie::Same);
    lie("azblob://c/x?account=a", "azblob://c/x/y?account=b", Lie::Apart);
    lie("azblob://c/x?account=a&host=h", "azblob://c/x?account=b&host=h", Lie::Same);
    // Where accounts are no servers, a name of one tells nothing about the place.
    lie("s3://b/x?account=a", "s3://b/x?account=b", Lie::Same);
    let moved = uri("azblob://c/x?account=a&host=h").with_attributes("host=").unwrap();
    assert_eq!(moved.attribute("host"), Some("a.blob.core.windows.net"), "without a host the account says it again");
    refused("azblob://c/x?account=", "names no server");
}

#[test]
fn memory_has_names_and_no_paths() {
    lie("mem://a", "mem://a/", Lie::Same);
    lie("mem://a", "mem://ab", Lie::Apart);
    lie("mem://a", "mem://A", Lie::Apart);
    assert_eq!(uri("mem://a").parent(), None);
    refused("mem://", "a name");
    refused("mem://a?host=h", "'host' is not known");
}

#[test]
fn percent_signs_are_letters_and_nothing_is_decoded() {
    for text in ["s3://b/a%2Fb", "s3://b/%2e%2e/x", "file:///a%20b", "file:///100%", "s3://b/%E2%82%AC", "file:///%"] {
        assert_eq!(uri(text).to_string(), text);
    }
    lie("s3://b/a", "s3://b/a%2Fb", Lie::Apart);
    lie("file:///a b", "file:///a%20b", Lie::Apart);
    lie("s3://b/%e2", "s3://b/%E2", Lie::Apart);
    refused("s3://b%2Fc/x", "a bucket");
}

#[test]
fn names_of_any_script_are_kept_to_the_byte() {
    for text in ["file:///Sicherung/täglich", "s3://b/备份/日志", "file:///\u{1f4be}", "s3://b/a#b", "file:///a;b|c"]
    {
        assert_eq!(uri(text).to_string(), text);
        assert_eq!(uri(text).place().to_string(), text);
    }
    lie("file:///\u{e4}", "file:///a\u{308}", Lie::Apart);
    refused("s3://büro/x", "a bucket");
}

#[test]
fn only_names_that_mean_another_directory_are_refused_for_their_dots() {
    for text in ["file:///a/.", "file:///./a", "file:///a/../b", "file:///..", "s3://b/..", "oss://b/x/./y"] {
        refused(text, "'.' and '..'");
    }
    for text in ["file:///...", "file:///.hidden", "file:///a/..b", "s3://b/b..", "s3://b/a.b"] {
        assert_eq!(uri(text).to_string(), text);
    }
}

#[test]
fn names_of_buckets() {
    for bucket in ["b", "a.b-c_d$e", "B1", "logs$", "1"] {
        assert_eq!(uri(&format!("s3://{bucket}/x")).place().bucket, bucket);
    }
    for bucket in ["", "b c", "b:1", "me@b", "b,c", "b#c", "b\\c", "b+c", " b"] {
        refused(&format!("s3://{bucket}/x"), "a bucket");
    }
}

#[test]
fn schemes_are_written_in_small_letters_and_nothing_else_is_one() {
    for scheme in ["S3", "File", "OSS", "s3a", "", " s3", "http", "azure", "memory"] {
        refused(&format!("{scheme}://b/x"), "are not known: use file://, s3://");
    }
    assert!(!DestUri::parse("ftp://h").unwrap_err().to_string().contains("mem://"), "tests have their own kind");
    refused("s3:/b/x", "not a destination");
}

#[test]
fn errors_of_stores_have_the_numbers_that_operators_know() {
    let codes = [Scheme::File, Scheme::Memory, Scheme::S3, Scheme::Oss, Scheme::Azure].map(Scheme::error_code);
    assert_eq!(codes, [None, None, Some(-9105), Some(-9003), Some(-9105)]);
}

#[test]
fn ports_are_digits_from_1_to_65535() {
    for port in ["1", "80", "65535"] {
        assert_eq!(uri(&format!("s3://b?host=h:{port}")).attribute("host"), Some(format!("h:{port}").as_str()));
    }
    for port in ["", "0", "65536", "+80", "-1", "80a", "0x50", "８０", "99999999999999999999"] {
        refused(&format!("s3://b?host=http://h:{port}"), "1 to 65535");
        refused(&format!("s3://b?host=[::1]:{port}"), "1 to 65535");
    }
    refused("s3://b?host=[::1]9000", "[ ]");
    refused("s3://b?host=[]:9000", "names no server");
    refused("s3://b?host=", "names no server");
}

#[test]
fn attributes_are_cut_at_their_first_sign_and_empty_ones_do_not_count() {
    let text = uri("s3://b/x?&&s3_region=a=b&&zone=?&");
    assert_eq!(text.attributes().collect::<Vec<_>>(), [("s3_region", "a=b"), ("zone", "?")]);
    assert_eq!(text.to_string(), "s3://b/x?s3_region=a=b&zone=?");
    assert_eq!(uri(&text.to_string()), text);
    refused("s3://b/x?zone=z&zone=z", "given twice");
    refused("s3://b/x?zone", "not name=value");
}

#[test]
fn a_change_of_attributes_gives_a_destination_as_it_would_be_typed() {
    let before = uri("s3://b/x?host=h&max_iops=5");
    for (change, after) in [
        ("", "s3://b/x?host=h&max_iops=5"),
        ("&&", "s3://b/x?host=h&max_iops=5"),
        (" max_iops=7 & zone=z ", "s3://b/x?host=h&max_iops=7&zone=z"),
        ("zone=", "s3://b/x?host=h&max_iops=5"),
        ("host=HTTPS://G/", "s3://b/x?host=g&max_iops=5"),
        ("host=&max_iops=", "s3://b/x"),
        ("s3_region=a=b", "s3://b/x?host=h&max_iops=5&s3_region=a=b"),
    ] {
        let changed = before.with_attributes(change).unwrap();
        assert_eq!(changed.to_string(), after, "{change}");
        assert_eq!(changed, uri(after));
    }
    for change in ["max_iops", "max_iops=5&zone", "host=h:0", "zone=a\nb"] {
        assert_eq!(before.with_attributes(change).unwrap_err().class, ErrorClass::Invalid, "{change}");
    }
}

#[test]
fn a_destination_is_as_long_as_may_be_and_not_a_byte_longer() {
    let of_len = |len: usize| format!("file:///{}", "x".repeat(len - "file:///".len()));
    assert_eq!(uri(&of_len(limits::DEST_URI_BYTES_MAX)).to_string(), of_len(limits::DEST_URI_BYTES_MAX));
    refused(&of_len(limits::DEST_URI_BYTES_MAX + 1), "at most 4096 bytes");
    let umlauts = format!("file:///{}", "ä".repeat(limits::DEST_URI_BYTES_MAX / 2));
    refused(&umlauts, "at most 4096 bytes");
}

#[test]
fn a_destination_whose_host_makes_it_too_long_to_be_read_again_is_refused() {
    let of_len = |len: usize| format!("azblob://c/{}?account=a", "x".repeat(len - "azblob://c/?account=a".len()));
    let host = "&host=a.blob.core.windows.net".len();
    let longest = uri(&of_len(limits::DEST_URI_BYTES_MAX - host));
    assert_eq!(uri(&longest.to_string()), longest);
    refused(&of_len(limits::DEST_URI_BYTES_MAX - host + 1), "at most 4096 bytes");
}

#[test]
fn no_control_character_stands_anywhere_in_a_destination() {
    for c in (0..=0x1f).chain(0x7f..=0x9f).filter_map(char::from_u32) {
        for text in
            [format!("file:///a{c}b"), format!("s3://b{c}/x"), format!("s3://b/x?zone={c}"), format!("{c}s3://b")]
        {
            refused(&text, "control characters");
        }
    }
}

#[test]
fn what_lies_below_is_joined_by_one_slash() {
    for (outer, name, inner) in [
        ("file:///a", "b", "file:///a/b"),
        ("file:///a", "/b/", "file:///a/b"),
        ("file:///a", "b/c", "file:///a/b/c"),
        ("s3://b", "x", "s3://b/x"),
        ("s3://b/x?host=h", "//y", "s3://b/x/y?host=h"),
    ] {
        assert_eq!(uri(outer).below(name), uri(inner), "{outer} and {name}");
        assert_eq!(uri(inner).place().path_below(uri(outer).place()), Some(name.trim_matches('/')));
    }
    assert_eq!(uri("file:///a").place().path_below(uri("file:///a").place()), None, "nothing is below itself");
}

proptest! {
    #[test]
    fn going_up_ends_at_the_bucket_or_below_the_root(names in prop::collection::vec("[a-z%ü.]{0,3}[a-z]", 1..6), is_store: bool) {
        let root = if is_store { "s3://b/" } else { "file:///" };
        let start = uri(&format!("{root}{}", names.join("/")));
        let mut up: Vec<String> = Vec::new();
        let mut at = start.clone();
        while let Some((above, last)) = at.parent().map(|(above, last)| (above, last.to_owned())) {
            prop_assert_eq!(&above.below(&last), &at);
            prop_assert!(start.place().is_inside(above.place()));
            up.push(last);
            at = above;
        }
        up.reverse();
        let kept = names.len() - up.len();
        prop_assert_eq!(kept, usize::from(!is_store), "a bucket is a place, the root of the file system is none");
        prop_assert_eq!(&names[kept..], up.as_slice());
    }

    #[test]
    fn attributes_may_be_set_in_any_order(a in "[a-z0-9]{1,5}", b in "[a-z0-9]{1,5}") {
        let (first, second) = (format!("max_iops={a}"), format!("zone={b}"));
        let one_by_one = |x: &str, y: &str| uri("s3://b/x?host=h").with_attributes(x).unwrap().with_attributes(y).unwrap();
        let at_once = uri("s3://b/x?host=h").with_attributes(&format!("{first}&{second}")).unwrap();
        prop_assert_eq!(&one_by_one(&first, &second), &at_once);
        prop_assert_eq!(&one_by_one(&second, &first), &at_once);
    }

    #[test]
    fn cutting_a_list_loses_nothing_but_commas_and_blanks(text in "(s3://b|file:///a|,|, | ,|\n|x|ü|://|=k,y|&){0,10}") {
        let bare = |text: &str| text.replace([',', ' ', '\n'], "");
        let parts = split_destinations(&text);
        prop_assert_eq!(bare(&parts.concat()), bare(&text));
        for part in &parts {
            prop_assert_eq!(&split_destinations(part), &[*part], "a part of a list is one destination");
        }
    }
}
