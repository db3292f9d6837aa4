//! The destination of a bench: a directory, or a bucket of an S3 server that the bench starts. It can break off and be
//! repaired again, as a mount or a server does.

use crate::Outcome;
use crate::args::BenchMedium;
use crate::cluster::ports;
use crate::output::io_failure;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use strandline_types::{ErrorClass, Failure};

const PROGRAM: &str = "s3s-fs";
const BUCKET: &str = "bench";
const PATIENCE: Duration = Duration::from_secs(10);

/// A destination.
#[derive(Debug)]
pub struct BenchDest {
    /// Where its objects lie on this machine's disk.
    root: PathBuf,
    server: Option<S3Server>,
}

/// A running S3 server.
#[derive(Debug)]
struct S3Server {
    program: PathBuf,
    dir: PathBuf,
    port: u16,
    child: Option<Child>,
}

impl BenchDest {
    /// Makes it below `dir`.
    pub fn make(kind: BenchMedium, dir: &Path) -> Outcome<Self> {
        let made = |path: &Path| std::fs::create_dir_all(path).map_err(|e| io_failure("cannot make", path, &e));
        match kind {
            BenchMedium::File => {
                let root = dir.join("archive");
                made(&root)?;
                Ok(Self { root, server: None })
            }
            BenchMedium::S3 => {
                let buckets = dir.join("buckets");
                made(&buckets.join(BUCKET))?;
                let port = ports::free(1)?[0];
                let mut server = S3Server { program: find_program()?, dir: buckets.clone(), port, child: None };
                server.start()?;
                Ok(Self { root: buckets.join(BUCKET).join("archive"), server: Some(server) })
            }
        }
    }

    /// As a statement names it.
    pub fn uri(&self) -> String {
        match &self.server {
            None => format!("file://{}", self.root.display()),
            Some(s) => format!(
                "s3://{BUCKET}/archive?host=http://127.0.0.1:{}&access_id=ak&access_key=sk&addressing_model=path_style",
                s.port
            ),
        }
    }

    /// The same without its keys.
    pub fn shown(&self) -> String {
        strandline_media::split_secrets(&self.uri()).0
    }

    /// A folder beside the destination as rclone names it, and the environment in which it can.
    pub fn rclone(&self, folder: &str) -> (String, Vec<(String, String)>) {
        let Some(server) = &self.server else { return (self.away().display().to_string(), Vec::new()) };
        let of_remote = |name: &str, value: String| (format!("RCLONE_CONFIG_BENCH_{name}"), value);
        let env = vec![
            of_remote("TYPE", "s3".to_owned()),
            of_remote("PROVIDER", "Other".to_owned()),
            of_remote("ENDPOINT", format!("http://127.0.0.1:{}", server.port)),
            of_remote("ACCESS_KEY_ID", "ak".to_owned()),
            of_remote("SECRET_ACCESS_KEY", "sk".to_owned()),
            of_remote("FORCE_PATH_STYLE", "true".to_owned()),
        ];
        (format!("bench:{BUCKET}/{folder}"), env)
    }

    /// The directory in which the objects can be looked at.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A folder beside the destination, on this machine's disk.
    pub fn beside(&self, folder: &str) -> PathBuf {
        self.root.with_file_name(folder)
    }

    /// Takes the medium away: the server is gone, or the directory is none any more.
    pub fn break_off(&mut self) -> Outcome<()> {
        match &mut self.server {
            Some(server) => server.stop(),
            None => {
                let away = self.away();
                std::fs::rename(&self.root, &away).map_err(|e| io_failure("cannot move away", &self.root, &e))?;
                std::fs::write(&self.root, b"").map_err(|e| io_failure("cannot write", &self.root, &e))?;
            }
        }
        Ok(())
    }

    /// Gives it back as it was.
    pub fn repair(&mut self) -> Outcome<()> {
        if let Some(server) = &mut self.server {
            return server.start();
        }
        std::fs::remove_file(&self.root).map_err(|e| io_failure("cannot remove", &self.root, &e))?;
        std::fs::rename(self.away(), &self.root).map_err(|e| io_failure("cannot move back", &self.root, &e))
    }

    fn away(&self) -> PathBuf {
        self.root.with_extension("away")
    }
}

impl S3Server {
    fn start(&mut self) -> Outcome<()> {
        let child = Command::new(&self.program)
            .args(["--access-key", "ak", "--secret-key", "sk", "--host", "127.0.0.1", "--port"])
            .arg(self.port.to_string())
            .arg(&self.dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| io_failure("cannot start", &self.program, &e))?;
        self.child = Some(child);
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            if Instant::now() >= deadline {
                let what = format!("the S3 server does not listen within {PATIENCE:?}");
                let object = self.program.display().to_string();
                return Err(Failure::new(
                    ErrorClass::Transient,
                    what,
                    object,
                    "start it by hand and read what it says",
                ));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Fails only when the process is gone already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// `s3s-fs` on the search path, or where the project's scripts install test servers.
fn find_program() -> Outcome<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let tools = std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache/strandline/tools/bin"));
    let found = std::env::split_paths(&path).chain(tools).map(|dir| dir.join(PROGRAM)).find(|p| p.is_file());
    found.ok_or_else(|| {
        let todo = "install the test servers with scripts/test-servers.sh, or choose --medium file";
        Failure::new(ErrorClass::NotFound, "the S3 test server is not installed", PROGRAM, todo)
    })
}
