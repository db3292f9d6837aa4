//! Keys and passwords: in no text that a user may read, wherever they were typed, and whole where they are used.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde::de::IntoDeserializer;
use serde::de::value::Error;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use strandline_types::*;

/// What must not be seen. No part of four letters of it is a word.
const KEY: &str = "Zq7Xv9KwPj3";

/// A value as it is stored, where it is stored as a text.
struct Stored<T>(T);

impl<T: Serialize> fmt::Display for Stored<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.serialize(f)
    }
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, Error> {
    T::deserialize(text.into_deserializer())
}

/// Not even a part of the key stands in `text`.
fn hides_key(text: &str) {
    for at in 0..=KEY.len() - 4 {
        assert!(!text.contains(&KEY[at..at + 4]), "{text}");
    }
}

#[test]
fn names_of_secrets_are_known_by_their_end_in_any_case() {
    for name in [
        "access_key",
        "ACCESS_KEY",
        "acess_key",
        "AccountKey",
        "SecretKey",
        "key",
        "encrypt_key",
        "session_token",
        "X-Amz-Security-Token",
        "client_secret",
        "password",
        "db_Passwd",
        "pwd",
        "passphrase",
        "encrypt_info",
        "sig",
        "X-Amz-Signature",
        "external_id",
        "key_source",
    ] {
        assert!(is_secret_name(name), "{name}");
    }
    for name in ["", "access_id", "access_key_file", "key_id", "keys", "signature", "tokens", "host", "s3_region"] {
        assert!(!is_secret_name(name), "{name}");
    }
}

#[test]
fn the_place_of_a_secret_is_shown_and_a_secret_that_mentions_one_is_not() {
    assert!(is_place_of_secret("file:/etc/key") && is_place_of_secret("command:/bin/key"));
    assert!(!is_place_of_secret("x file:/etc/key") && !is_place_of_secret("/etc/key") && !is_place_of_secret(""));
    assert_eq!(masked("KEY=command:/bin/key, KEY='file:/k'"), "KEY=command:/bin/key, KEY='file:/k'");
    hides_key(&masked(&format!("KEY={KEY}file:/k")));
}

#[test]
fn white_space_of_any_kind_around_the_sign_hides_no_less() {
    for blank in ["", " ", "   ", "\t", "\n", "\r\n", " \t ", "\u{a0}", "\u{2003}"] {
        for text in [
            format!("access_key{blank}={blank}{KEY} end"),
            format!("PASSWORD{blank}={blank}'{KEY}' end"),
            format!("session_token{blank}={blank}\"{KEY}\" end"),
        ] {
            hides_key(&masked(&text));
            hides_key(&masked_inside(&text));
            assert!(masked(&text).ends_with(" end"), "{text:?}: {}", masked(&text));
        }
    }
}

#[test]
fn a_quotation_mark_that_is_part_of_a_password_does_not_end_it() {
    for (text, shown) in [
        (format!("password='it''s {KEY}', x"), "password='******', x"),
        (format!("password='''{KEY}', x"), "password='******', x"),
        (format!("password=\"a\"\"{KEY}\", x"), "password=\"******\", x"),
        (format!("password='it\\'s {KEY}', x"), "password='******', x"),
        (format!("password='\\\\', x={KEY}"), &format!("password='******', x={KEY}")),
        (format!("password='a\"{KEY}', x"), "password='******', x"),
        ("password='', x='a'".to_owned(), "password='', x='a'"),
    ] {
        assert_eq!(masked(&text), shown, "{text}");
    }
}

#[test]
fn a_user_and_password_before_a_server_are_hidden() {
    for (text, shown) in [
        (format!("http://me:{KEY}@h:9000/p"), "http://******@h:9000/p"),
        (format!("see https://me:a@{KEY}@h, and http://you:{KEY}@g"), "see https://******@h, and http://******@g"),
        (format!("s3://b/x?host=me:{KEY}@h&max_iops=5"), "s3://b/x?host=******@h&max_iops=5"),
        (format!("s3://b/x?host=http://me:{KEY}@h"), "s3://b/x?host=http://******@h"),
        (format!("http://host={KEY}@h"), "http://******@h"),
        ("mail me@example.com about host=h".to_owned(), "mail me@example.com about host=h"),
        ("file:///a@b/c and host=h/a@b".to_owned(), "file:///a@b/c and host=h/a@b"),
    ] {
        assert_eq!(masked(&text), shown, "{text}");
    }
}

#[test]
fn in_a_list_every_key_is_hidden_and_every_next_destination_is_shown() {
    let list = format!("s3://b/x?access_key={KEY}, oss://c/y?host=h&access_key={KEY},file:///z");
    assert_eq!(masked(&list), "s3://b/x?access_key=******, oss://c/y?host=h&access_key=******,file:///z");
    hides_key(&masked(&format!("access_key={KEY},{KEY}&{KEY}")));
}

#[test]
fn inside_a_quotation_a_secret_goes_on_over_blanks_to_the_next_name() {
    assert_eq!(masked_inside(&format!("KEY=a {KEY} b BINDING=Optional")), "KEY=****** BINDING=Optional");
    assert_eq!(masked_inside(&format!("KEY=a {KEY}")), "KEY=******");
    assert_eq!(masked(&format!("KEY={KEY} is wrong")), "KEY=****** is wrong", "outside of one it ends at a blank");
}

#[test]
fn what_stands_for_a_value_in_words_is_shown_and_what_only_begins_like_it_is_not() {
    for text in ["write access_key=…", "write access_key=<key>", "KEY=…&session_token=<a-token>"] {
        assert_eq!(masked(text), text);
    }
    for text in [format!("access_key=<{KEY}"), format!("access_key={KEY}…"), format!("access_key={KEY}>")] {
        assert_eq!(masked(&text), "access_key=******");
    }
}

#[test]
fn a_text_without_secrets_is_not_even_copied() {
    for text in ["", "no such tenant", "a = b", "s3://b/x?host=h&max_iops=5", "1 = 1", "access_key=******"] {
        assert!(matches!(masked(text), Cow::Borrowed(_)), "{text}");
    }
}

#[test]
fn keys_of_a_destination_are_shown_by_name_in_every_form_of_debug() {
    let address = Address::parse(&format!("s3://b/x?access_id=AK&access_key={KEY}&{KEY}&session_token={KEY}")).unwrap();
    let shown = "access_id=AK&access_key=******&******&session_token=******";
    assert_eq!(address.access.to_string(), shown);
    assert_eq!(format!("{:?}", address.access), format!("Access({shown})"));
    hides_key(&format!("{address:?} {address:#?} {:#?}", Some(&address.access)));
    // A name in another case is no name that is known: its value may be anything.
    assert_eq!(Access::new(format!("Access_Id={KEY}&{KEY}&x={KEY}")).to_string(), "******&******&******");
    assert_eq!(Access::new("&&access_id=a&&").to_string(), "access_id=a");
}

#[test]
fn a_secret_tells_neither_its_bytes_nor_how_many_there_are() {
    let (short, long) = (Secret::new(vec![7]), Secret::new(KEY.as_bytes().to_vec()));
    assert_eq!(format!("{short:?} {long:?}"), "Secret(******) Secret(******)");
    hides_key(&format!("{:#?}", (Some(&long), [long.clone()])));
    assert_eq!((format!("{:?}", Secret::NONE), Secret::default()), ("Secret(none)".to_owned(), Secret::NONE));
    assert!(Secret::NONE.is_empty() && !long.is_empty() && short != long);
    assert_eq!(long.expose(), KEY.as_bytes());
}

#[test]
fn what_is_stored_of_a_destination_has_no_key_and_what_is_stored_of_its_keys_is_whole() {
    let typed = format!("s3://b/x?host=H&access_id=AK&access_key={KEY}");
    let address = Address::parse(&typed).unwrap();
    let (uri, keys) = (Stored(&address.uri).to_string(), Stored(&address.access).to_string());
    assert_eq!((uri.as_str(), keys), ("s3://b/x?host=h", format!("access_id=AK&access_key={KEY}")));
    assert_eq!(read::<DestUri>(&uri).unwrap(), address.uri);
    let refused = read::<DestUri>(&typed).unwrap_err().to_string();
    assert!(refused.contains("does not belong here"), "{refused}");
    hides_key(&refused);
}

#[test]
fn a_destination_that_is_refused_is_repeated_without_its_keys() {
    for text in [
        "access_key=$",
        "/b?access_key=$",
        "s3:/b/x?access_key=$",
        "S3://b?access_key=$",
        "ftp://h/x?session_token=$",
        "s3://b c?access_key=$",
        "file:///a?host=h&access_key=$",
        "s3://b/x?access_key=$&host=a&host=b",
        "s3://b/x?access_key=$&region",
        "s3://me:$@b/x",
        "s3://b/x?host=me:$@h",
        "s3://b/x?host=http://me:$@h",
        "s3://b/x?host=ftp://me:$@h",
        "s3://b/x?host=h?secret=$",
        "s3://b/x&access_key=$",
        "s3://b/x&access_id=AK&access_key=$?host=h",
        "s3://b/x?s3_region=r?access_key=$",
        "file:///a&token=$",
    ] {
        let text = text.replace('$', KEY);
        let refused = Address::parse(&text).map_err(|e| hides_key(&format!("{e} {e:?}")));
        assert!(refused.is_err(), "{text}: {refused:?}");
    }
}

#[test]
fn a_path_that_was_taken_with_a_key_in_it_is_still_read_where_it_is_stored() {
    let stored = "s3://b/x&access_key=k?host=h";
    assert!(DestUri::parse(stored).is_err());
    assert_eq!(read::<DestUri>(stored).unwrap().to_string(), stored);
}

#[test]
fn paths_that_merely_look_like_keys_are_paths() {
    for text in ["file:///a/key=1", "s3://b/token=5/x", "file:///r&d", "file:///r&d_key", "s3://b/a&b=c"] {
        assert_eq!(Address::parse(text).unwrap().to_string(), text);
    }
}

#[test]
fn changed_attributes_take_no_key_and_repeat_none() {
    let uri = DestUri::parse("s3://b/x?host=h").unwrap();
    for change in ["access_key=$", "max_iops=5&session_token=$", "host=me:$@h", "s3_region=r?access_key=$"] {
        let refused = uri.with_attributes(&change.replace('$', KEY)).unwrap_err();
        assert_eq!(refused.class, ErrorClass::Invalid);
        hides_key(&format!("{refused} {refused:?}"));
    }
}

#[test]
fn a_failure_hides_secrets_in_every_part_and_keeps_the_rest_to_the_letter() {
    let with_key = format!("s3://b/x?access_key={KEY}&host=me:{KEY}@h");
    let failure = Failure::new(ErrorClass::Permission, &with_key, &with_key, &with_key).with_code(-9105);
    hides_key(&format!("{failure} {failure:?} {failure:#?}"));
    assert_eq!(failure.what, "s3://b/x?access_key=******&host=******@h");
    let plain = "tenant 'tä' = 5 % of s3://b/x?host=h, ünd \u{1f512}";
    let failure = Failure::new(ErrorClass::Invalid, plain, plain, plain);
    assert_eq!((failure.what.as_str(), failure.object.as_str(), failure.todo.as_str()), (plain, plain, plain));
}

proptest! {
    #[test]
    fn hiding_twice_hides_no_more_than_hiding_once(
        text in "(access_key|token|sig|host|[a-z]{0,3}|=|=|&|@|:|'|\"|\\\\| |\t|,|ü|://|s3://b|file:|…|<|>|\\*{6}){0,14}",
    ) {
        let (outside, inside) = (masked(&text).into_owned(), masked_inside(&text).into_owned());
        prop_assert_eq!(masked(&outside), outside.as_str());
        prop_assert_eq!(masked_inside(&inside), inside.as_str());
    }

    #[test]
    fn attributes_that_are_no_secrets_are_shown_whatever_their_values(
        pairs in prop::collection::vec(("(host|max_iops|s3_region|zone|access_id|access_key_file)", "[a-zA-Z0-9./:+-]{0,12}"), 0..6),
    ) {
        let text = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
        prop_assert_eq!(masked(&text), text.as_str());
    }

    #[test]
    fn whatever_the_keys_are_their_text_shows_names_and_ids_alone(values in prop::collection::vec("[A-Z0-9+/=]{12,20}", 1..5)) {
        let names = ["access_key", "session_token", "external_id", "unheard_of"];
        let pairs: Vec<_> = names.iter().zip(&values).map(|(name, value)| format!("{name}={value}")).collect();
        let access = Access::new(format!("access_id=id&{}", pairs.join("&")));
        let shown = format!("{access} {access:?}");
        prop_assert!(values.iter().all(|value| !shown.contains(value.as_str())), "{shown}");
        prop_assert!(shown.starts_with("access_id=id&"));
    }

    #[test]
    fn splitting_off_the_keys_loses_nothing_and_leaves_none(
        pairs in prop::collection::vec("(host=h|max_iops=5|zone=z|access_id=A|access_key=K|Token=T|other=o|half)", 0..8),
    ) {
        let text = format!("s3://b/x?{}", pairs.join("&"));
        let (open, secret) = split_secrets(&text);
        let open_pairs = open.strip_prefix("s3://b/x").unwrap().trim_start_matches('?');
        let mut parts: Vec<&str> = open_pairs.split('&').chain(secret.split('&')).filter(|p| !p.is_empty()).collect();
        parts.sort_unstable();
        let mut all: Vec<&str> = pairs.iter().map(String::as_str).collect();
        all.sort_unstable();
        prop_assert_eq!(parts, all);
        prop_assert_eq!(split_secrets(&open), (open.clone(), String::new()), "nothing is left to split off");
    }
}
