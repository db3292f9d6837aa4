//! Keys of encrypted sets from passwords. Passwords end here: what goes on holds the key that was derived from one, and
//! only its salt and fingerprint are ever shown.

use strandline_format::cipher::{self, Key};
use strandline_media::key_source::{ReadBy, read_passphrase};
use strandline_scheduler_core::state::SetSeal;
use strandline_scheduler_core::{Action, SealKey, SealRun};
use strandline_types::{ErrorClass, Failure, Secret};

/// The key of a password. A set that goes on with a chain uses the chain's salt, so that one key opens all of it; a
/// password that is not the chain's gets a salt of its own, and the core sees that the chain cannot go on.
///
/// # Errors
/// `Transient` when the key could not be derived.
pub async fn seal_key(password: &str, chain: Option<SetSeal>) -> Result<SealKey, Failure> {
    if let Some(seal) = chain {
        let key = derive(password, seal.salt).await?;
        if cipher::fingerprint(&key) == seal.fingerprint {
            return Ok(SealKey { key: Secret::new(key.bytes().to_vec()), seal });
        }
    }
    let salt: [u8; 16] = rand::random();
    let key = derive(password, salt).await?;
    let seal = SetSeal { salt, fingerprint: cipher::fingerprint(&key) };
    Ok(SealKey { key: Secret::new(key.bytes().to_vec()), seal })
}

/// A scheduled run with its key: the password is looked up where the schedule says, at this moment.
///
/// # Errors
/// What is wrong with the source of the password.
pub async fn seal_run(work: &SealRun) -> Result<Action, Failure> {
    let password = read_passphrase(&work.key_source, ReadBy::Schedulers).await?;
    let seal = seal_key(&password, work.chain).await?;
    let mut run = work.run.clone();
    if let Action::RunSchedule { request: Some(request), .. } = &mut run {
        request.seal = Some(seal);
    }
    Ok(run)
}

/// The slow derivation must not hold up the loops of this process.
async fn derive(password: &str, salt: [u8; 16]) -> Result<Key, Failure> {
    let password = password.to_owned();
    tokio::task::spawn_blocking(move || cipher::derive_key(&password, &salt)).await.map_err(|e| {
        Failure::new(ErrorClass::Transient, format!("the key was not derived: {e}"), "SET ENCRYPTION", "try again")
    })
}
