//! Restores of a history: inside its window each shows what the oracle says; outside it is refused, with the bound.

use super::{History, PATIENCE};
use crate::cluster::{Outcome, Patience, jobs};
use std::ops::RangeInclusive;
use strandline_types::{ErrorClass, Failure, Scn};

/// What the restores of a history came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Proof {
    /// Tenants that were restored and compared.
    pub restored: usize,
    /// Keys in them.
    pub keys: usize,
    /// Writes under way at their SCNs, which may be there or not.
    pub open: usize,
    /// Targets that were refused with the right bound.
    pub refused: usize,
}

impl Proof {
    /// Takes another one's figures in.
    pub fn add(&mut self, other: Self) {
        self.restored += other.restored;
        self.keys += other.keys;
        self.open += other.open;
        self.refused += other.refused;
    }
}

impl History {
    /// Restores to the first SCN of the window, to the last one or to any between, by the seed; tries one SCN before
    /// and one after it.
    ///
    /// # Errors
    /// A difference, or a restore that was not refused although it has to be.
    pub async fn prove(&mut self) -> Outcome<Proof> {
        let window = self.window().await?;
        let mut proof = Proof::default();
        let before = format!("minimum restorable time is {}", window.start());
        self.is_refused(window.start().prev(), &before).await?;
        let after = format!("maximum restorable time is {}", window.end());
        self.is_refused(window.end().next(), &after).await?;
        proof.refused += 2;

        let written: Vec<Scn> = self.ops.iter().map(|op| op.acked).filter(|scn| window.contains(scn)).collect();
        let turning: Vec<Scn> = self.turning_points().filter(|scn| window.contains(scn)).collect();
        let moments = if !turning.is_empty() && self.rng.chance(500) { turning } else { written };
        let any = Scn(self.rng.between(window.start().0, window.end().0));
        let inside = self.rng.pick(&moments).unwrap_or(any);
        let border = if self.rng.chance(500) { *window.start() } else { *window.end() };
        let targets = [self.rng.pick(&[inside, inside.prev().max(*window.start()), any]).unwrap_or(any), border];
        for (n, target) in targets.into_iter().enumerate() {
            let tenant = format!("{}_again_{n}", self.name());
            self.restore(&tenant, target).await?;
            let wrong = |what| Failure::new(ErrorClass::Corrupt, what, tenant.clone(), self.events());
            let pairs = self.pairs_of(&tenant, target).await?.map_err(wrong)?;
            let shown = self.oracle_at(target).check(target, pairs).map_err(wrong)?;
            proof.add(Proof { restored: 1, keys: shown.keys, open: shown.open, refused: 0 });
            self.sys.sql(&format!("DROP TENANT {tenant}")).await?;
        }
        let name = self.name().to_owned();
        self.sys.sql(&format!("DROP TENANT {name}")).await?;
        Ok(proof)
    }

    /// What can be restored, told from the sets and from where the archive stopped: one round archived all the while,
    /// so there is one window.
    async fn window(&mut self) -> Outcome<RangeInclusive<Scn>> {
        let nothing = |why: &str| Failure::new(ErrorClass::NotFound, why.to_owned(), self.name().to_owned(), "");
        let (no_set, no_round) = (nothing("no set can be used"), nothing("it was never archived"));
        let first = self.usable_sets().await?.iter().map(|set| set.min_restore).min().ok_or(no_set)?;
        let round = self.query("DBA_OB_ARCHIVELOG").await?;
        let last = Scn(round.number(0, "CHECKPOINT_SCN"));
        if last < first { Err(no_round) } else { Ok(first..=last) }
    }

    fn restore_statement(&self, tenant: &str, target: Scn) -> String {
        let from = format!("{},{}", self.uri("data"), self.uri("archive"));
        format!("ALTER SYSTEM RESTORE {tenant} FROM '{from}' UNTIL SCN = {target} WITH 'pool_list=default&replicas=1'")
    }

    async fn is_refused(&mut self, target: Scn, bound: &str) -> Outcome<()> {
        let tenant = format!("{}_never", self.name());
        let statement = self.restore_statement(&tenant, target);
        match self.sys.sql(&statement).await {
            Err(refused) if refused.to_string().contains(bound) => Ok(()),
            Err(refused) => {
                let what = format!("a restore to {target} was refused without `{bound}`: {refused}");
                Err(Failure::new(ErrorClass::Corrupt, what, tenant, self.events()))
            }
            Ok(_) => {
                let what = format!("a restore to {target} was not refused: {bound}");
                Err(Failure::new(ErrorClass::Corrupt, what, tenant, self.events()))
            }
        }
    }

    async fn restore(&mut self, tenant: &str, target: Scn) -> Outcome<()> {
        let statement = self.restore_statement(tenant, target);
        self.sys.sql(&statement).await?;
        let patience = Patience::new(format!("tenant {tenant} is restored to {target}; {}", self.events()), PATIENCE);
        while !jobs::is_restored(&mut self.sys, tenant).await? {
            patience.once_more("it runs").await?;
        }
        Ok(())
    }
}
