//! A state machine for the tests: remembers the bodies of all entries in order, in memory only; its snapshots are
//! directories with several files, kept over a restart.

use bytes::Bytes;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use strandline_consensus::{Applied, Entry, EntryBody, GroupStateMachine, LogPos, Reply, SnapshotDir};

#[derive(Default, Clone, serde::Serialize, serde::Deserialize)]
struct State {
    last: Option<LogPos>,
    membership: Bytes,
    bodies: Vec<Bytes>,
}

pub struct Machine {
    dir: PathBuf,
    state: Mutex<State>,
}

impl Machine {
    pub fn open(dir: &Path) -> Arc<Self> {
        fs::create_dir_all(dir).unwrap();
        Arc::new(Self { dir: dir.to_owned(), state: Mutex::default() })
    }

    pub fn bodies(&self) -> Vec<Bytes> {
        self.state.lock().unwrap().bodies.clone()
    }

    /// A snapshot directory as a restore would lay it down.
    pub fn lay_down(dir: &Path, bodies: &[&str]) {
        let bodies = bodies.iter().map(|b| Bytes::copy_from_slice(b.as_bytes())).collect();
        write_state(dir, &State { bodies, ..State::default() });
    }
}

fn write_state(dir: &Path, state: &State) {
    fs::create_dir_all(dir.join("bodies")).unwrap();
    let head = State { bodies: Vec::new(), ..state.clone() };
    fs::write(dir.join("head"), postcard::to_stdvec(&head).unwrap()).unwrap();
    for (n, chunk) in state.bodies.chunks(100).enumerate() {
        fs::write(dir.join(format!("bodies/{n:06}")), postcard::to_stdvec(chunk).unwrap()).unwrap();
    }
}

fn read_state(dir: &Path) -> State {
    let mut state: State = postcard::from_bytes(&fs::read(dir.join("head")).unwrap()).unwrap();
    let mut names: Vec<_> = fs::read_dir(dir.join("bodies")).unwrap().map(|f| f.unwrap().path()).collect();
    names.sort();
    for name in names {
        state.bodies.extend(postcard::from_bytes::<Vec<Bytes>>(&fs::read(name).unwrap()).unwrap());
    }
    state
}

impl GroupStateMachine for Machine {
    fn applied(&self) -> io::Result<Applied> {
        let state = self.state.lock().unwrap();
        Ok(Applied { last: state.last, membership: state.membership.clone() })
    }

    fn apply(&self, entries: Vec<Entry>) -> io::Result<Vec<Reply>> {
        let mut state = self.state.lock().unwrap();
        let mut replies = Vec::new();
        for entry in entries {
            state.last = Some(entry.pos);
            match entry.body {
                EntryBody::Blank => {}
                EntryBody::Membership(bytes) => state.membership = bytes,
                EntryBody::Normal(payload) => state.bodies.push(payload.body),
            }
            replies.push(Reply(Bytes::from(state.bodies.len().to_string())));
        }
        Ok(replies)
    }

    fn build_snapshot(&self) -> io::Result<SnapshotDir> {
        let state = self.state.lock().unwrap();
        let fresh = self.dir.join("building");
        let _ = fs::remove_dir_all(&fresh);
        write_state(&fresh, &state);
        let dir = self.dir.join("snapshot");
        let _ = fs::remove_dir_all(&dir);
        fs::rename(&fresh, &dir)?;
        Ok(SnapshotDir { last: state.last, membership: state.membership.clone(), dir })
    }

    fn install_snapshot(&self, dir: &Path, last: Option<LogPos>, membership: Bytes) -> io::Result<()> {
        let state = State { last, membership, ..read_state(dir) };
        *self.state.lock().unwrap() = state;
        self.build_snapshot().map(|_| ())
    }

    fn current_snapshot(&self) -> io::Result<Option<SnapshotDir>> {
        let dir = self.dir.join("snapshot");
        if !dir.exists() {
            return Ok(None);
        }
        let state = read_state(&dir);
        Ok(Some(SnapshotDir { last: state.last, membership: state.membership, dir }))
    }
}
