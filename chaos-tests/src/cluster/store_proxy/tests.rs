//! Every fault does what its name says, before a real S3 server.
#![allow(clippy::unwrap_used)]

use super::*;
use bytes::Bytes;
use strandline_media::testing::servers::Server;
use strandline_media::{Medium, open};
use strandline_types::ErrorClass;

struct Bed {
    proxy: StoreProxy,
    server: Server,
    path: String,
    _dir: tempfile::TempDir,
}

impl Bed {
    /// `None` = no such server is installed.
    async fn new() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("bucket")).unwrap();
        let server = Server::s3_over(dir.path(), None)?;
        let proxy = StoreProxy::before(server.port).await.unwrap();
        Some(Self { proxy, server, path: "x".to_owned(), _dir: dir })
    }

    /// Behind the proxy, without the retries of servers.
    fn medium(&self) -> Arc<dyn Medium> {
        let uri = self.server.s3_uri("bucket", &self.path);
        open(&uri.replace(&format!(":{}", self.server.port), &format!(":{}", self.proxy.port))).unwrap()
    }

    fn once(&self, fault: Fault) {
        self.proxy.set(Plan::new(vec![Rule { times: 1, ..Rule::everywhere(fault, 1000) }], 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_does_what_its_name_says() {
    let Some(bed) = Bed::new().await else { return };
    let (medium, content) = (bed.medium(), Bytes::from(vec![b'x'; 10_000]));
    medium.put("a", content.clone()).await.unwrap();
    assert_eq!(medium.get("a").await.unwrap(), content, "nothing goes wrong without a plan");

    bed.once(Fault::Flipped);
    let flipped = medium.get("a").await.unwrap();
    let bits: u32 = flipped.iter().zip(&content).map(|(a, b)| (a ^ b).count_ones()).sum();
    assert_eq!((flipped.len(), bits), (content.len(), 1));

    bed.once(Fault::Slow);
    assert_eq!(medium.get("a").await.unwrap(), content);

    bed.once(Fault::Missing);
    assert!(medium.get("a").await.unwrap_err().is_not_found());
    assert_eq!(medium.get("a").await.unwrap(), content, "once only");

    for fault in [Fault::Refused, Fault::Dropped, Fault::Lost, Fault::Cut] {
        bed.once(fault);
        assert_eq!(medium.get("a").await.unwrap_err().class, ErrorClass::Transient, "{fault:?}");
    }
    bed.once(Fault::Short);
    assert!(medium.get("a").await.map_or(0, |b| b.len()) < content.len());

    let before = medium.list("").await.unwrap();
    medium.put("b", content.clone()).await.unwrap();
    bed.once(Fault::Stale);
    assert_eq!(medium.list("").await.unwrap(), before);
    assert_eq!(medium.list("").await.unwrap().len(), 2);

    bed.once(Fault::Lost);
    medium.put("c", content.clone()).await.unwrap_err();
    assert_eq!(medium.get("c").await.unwrap(), content, "it was done");
    bed.once(Fault::Dropped);
    medium.put("d", content.clone()).await.unwrap_err();
    assert!(medium.get("d").await.unwrap_err().is_not_found(), "it was not done");

    bed.once(Fault::Doubled);
    medium.put("e", content.clone()).await.unwrap();
    medium.delete("e").await.unwrap();
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while medium.get("e").await.is_err() {
        assert!(std::time::Instant::now() < deadline, "the copy comes later");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(bed.proxy.met()[&(Fault::Doubled, Kind::Put)], 1);
}
