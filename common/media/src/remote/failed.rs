//! Why an HTTP request failed: the store refused it, no whole answer came, or it could not be signed.
//!
//! The transport gives it to `object_store`, which wraps it in an error of its own; it is found again in the chain of
//! causes there. It keeps the whole answer, because `object_store` keeps no more than a kind of error for a few
//! statuses. [`super::answer`] reads class, code, words and `Retry-After` from it.

use super::answer::Reply;
use crate::MediaError;
use object_store::client::{HttpError, HttpErrorKind};
use std::error::Error;

/// Why a request has no good answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failed {
    /// The store answered, and it is no success.
    #[error("HTTP {}", .0.reply.status)]
    Refused(Box<Refusal>),
    /// No whole answer came.
    #[error("{0}: the store does not answer")]
    Silent(String),
    /// The request could not be signed; nothing was sent.
    #[error("{0}")]
    Unsigned(MediaError),
}

/// An answer that is no success.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) reply: Reply,
    /// The request named a condition.
    pub(crate) is_conditional: bool,
}

impl Failed {
    /// As a transport reports it. `object_store` repeats no request that failed in this way.
    pub(crate) fn into_http(self) -> HttpError {
        HttpError::new(HttpErrorKind::Unknown, self)
    }

    /// The failure behind an error; `None` where `object_store` itself did not like an answer.
    pub(crate) fn behind<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        let mut at = Some(error);
        while let Some(e) = at {
            if let Some(found) = e.downcast_ref::<Self>() {
                return Some(found);
            }
            at = e.source();
        }
        None
    }

    /// The answer, if there was one.
    pub(crate) fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            Self::Silent(_) | Self::Unsigned(_) => None,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::bucket::no_retries;
    use super::super::stored::Backend;
    use super::super::transport::Connected;
    use super::*;
    use async_trait::async_trait;
    use object_store::aws::AmazonS3Builder;
    use object_store::azure::MicrosoftAzureBuilder;
    use object_store::client::{HttpClient, HttpRequest, HttpResponse, HttpService};
    use object_store::multipart::PartId;
    use object_store::path::Path;
    use object_store::{ObjectStoreExt, PutMode};

    #[derive(Debug)]
    struct Silence;

    #[async_trait]
    impl HttpService for Silence {
        async fn call(&self, _request: HttpRequest) -> Result<HttpResponse, HttpError> {
            Err(Failed::Silent("nothing".to_owned()).into_http())
        }
    }

    /// How many calls sent a request; each has to show why it failed.
    async fn calls_that_fail(store: &impl Backend) -> usize {
        let (at, id) = (Path::from("x"), String::new());
        let parts = vec![PartId { content_id: "1".to_owned() }];
        let errors = [
            store.put_opts(&at, "x".into(), PutMode::Create.into()).await.err(),
            store.get(&at).await.err(),
            store.head(&at).await.err(),
            store.delete(&at).await.err(),
            store.copy(&at, &at).await.err(),
            store.create_multipart(&at).await.err(),
            store.put_part(&at, &id, 0, "x".into()).await.err(),
            store.complete_multipart(&at, &id, parts).await.err(),
            store.abort_multipart(&at, &id).await.err(),
        ];
        let errors: Vec<object_store::Error> = errors.into_iter().flatten().collect();
        for e in &errors {
            assert!(matches!(Failed::behind(e), Some(Failed::Silent(_))), "{e:?}");
        }
        errors.len()
    }

    #[tokio::test]
    async fn a_failure_is_found_behind_every_call_of_object_store() {
        let s3 = AmazonS3Builder::new().with_bucket_name("b").with_skip_signature(true).with_retry(no_retries());
        let s3 = s3.with_http_connector(Connected(HttpClient::new(Silence))).build().unwrap();
        assert_eq!(calls_that_fail(&s3).await, 9);
        let azure = MicrosoftAzureBuilder::new().with_account("a").with_container_name("b").with_retry(no_retries());
        let azure = azure.with_skip_signature(true).with_http_connector(Connected(HttpClient::new(Silence)));
        // Uploads of Azure begin and end without a request.
        assert_eq!(calls_that_fail(&azure.build().unwrap()).await, 7);
    }
}
