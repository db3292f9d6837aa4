//! Keys of encrypted sets, from the passwords of the session. A wrong password is found here, before anything is built:
//! the set carries the salt and a fingerprint of its key, never the key.

use super::Found;
use strandline_format::cipher::{self, Key, SALT_BYTES};
use strandline_format::pb;
use strandline_types::{BackupSetId, ErrorClass, Failure, Secret};

/// The original's number for a wrong backup password.
pub const WRONG_PASSWORD_CODE: i32 = -9057;

/// One encrypted set: its salt and the fingerprint of its key as text.
pub struct EncryptedSet {
    /// The set.
    pub set: BackupSetId,
    /// What its key was derived with.
    pub salt: Vec<u8>,
    /// Of its key.
    pub fingerprint: String,
}

impl EncryptedSet {
    /// As a set's own info file tells it.
    pub fn of(set: BackupSetId, info: &pb::BackupSetInfo) -> Self {
        Self { set, salt: info.password_salt.to_vec(), fingerprint: info.password_hash.clone() }
    }
}

/// The keys of every encrypted set of a chain.
///
/// # Errors
/// `Permission` names the set whose password was not given.
pub async fn set_keys(found: &Found, passwords: &[String]) -> Result<Vec<(BackupSetId, Secret)>, Failure> {
    let sealed = found.choice.sets.iter().filter(|s| s.is_encrypted());
    let sealed = sealed.map(|s| EncryptedSet::of(s.set_id, found.info(s).unwrap_or(&pb::BackupSetInfo::default())));
    keys_of(sealed.collect(), passwords).await
}

/// The keys of encrypted sets.
///
/// # Errors
/// `Permission` names the set that none of the passwords opens.
pub async fn keys_of(sealed: Vec<EncryptedSet>, passwords: &[String]) -> Result<Vec<(BackupSetId, Secret)>, Failure> {
    if sealed.is_empty() {
        return Ok(Vec::new());
    }
    let passwords = passwords.to_vec();
    // The slow derivation must not hold up the loops of this process.
    let derived = tokio::task::spawn_blocking(move || sealed.iter().map(|s| open(s, &passwords)).collect());
    derived.await.map_err(|e| {
        Failure::new(ErrorClass::Transient, format!("the key was not derived: {e}"), "SET DECRYPTION", "try again")
    })?
}

fn open(sealed: &EncryptedSet, passwords: &[String]) -> Result<(BackupSetId, Secret), Failure> {
    let object = format!("backup set {}", sealed.set);
    let salt: [u8; SALT_BYTES] = sealed.salt.as_slice().try_into().map_err(|_| {
        Failure::new(ErrorClass::Corrupt, "it is encrypted and has no salt", object.clone(), "use another backup set")
    })?;
    let is_it = |key: &Key| {
        let shown: String = cipher::fingerprint(key).iter().map(|b| format!("{b:02x}")).collect();
        shown == sealed.fingerprint
    };
    let found = passwords.iter().map(|p| cipher::derive_key(p, &salt)).find(is_it);
    found.map(|key| (sealed.set, Secret::new(key.bytes().to_vec()))).ok_or_else(|| {
        let what = match passwords {
            [] => "it is encrypted and no password was given",
            _ => "it is encrypted with another password",
        };
        let todo = "SET DECRYPTION IDENTIFIED BY '<password>' in this session, then RESTORE again";
        Failure::new(ErrorClass::Permission, what, object, todo).with_code(WRONG_PASSWORD_CODE)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_opens_a_set_and_another_one_is_refused_by_name() {
        let salt = [7; SALT_BYTES];
        let key = cipher::derive_key("right", &salt);
        let fingerprint: String = cipher::fingerprint(&key).iter().map(|b| format!("{b:02x}")).collect();
        let sealed =
            || vec![EncryptedSet { set: BackupSetId(3), salt: salt.to_vec(), fingerprint: fingerprint.clone() }];
        let keys = keys_of(sealed(), &["wrong".to_owned(), "right".to_owned()]).await.unwrap();
        assert_eq!(keys[0].1.expose(), &key.bytes()[..]);
        let failure = keys_of(sealed(), &["wrong".to_owned()]).await.unwrap_err();
        assert_eq!((failure.class, failure.object.as_str()), (ErrorClass::Permission, "backup set 3"));
        assert!(keys_of(sealed(), &[]).await.unwrap_err().what.contains("no password"));
    }
}
