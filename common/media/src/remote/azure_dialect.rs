//! What Azure Blob wants of a request: conditions, digests, its signature, which is that of `object_store`.

use super::failed::Refusal;
use super::s3_dialect::{content_md5, no_keys};
use super::transport::{Conditional, Dialect};
use crate::access::KeySource;
use crate::{Checksum, Destination, MediaError, Op};
use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Method};
use object_store::azure::{AzureAccessKey, AzureAuthorizer, AzureCredential, AzureCredentialProvider};
use object_store::client::HttpRequest;
use strandline_types::ErrorClass;

/// The dialect of one container.
#[derive(Debug)]
pub(crate) struct AzureDialect {
    uri: String,
    keys: KeySource,
    /// `None`: it is the id of the keys.
    account: Option<String>,
    /// Keys of the environment or of the machine.
    environment: Option<AzureCredentialProvider>,
    checksum: Checksum,
    has_conditions: bool,
}

impl AzureDialect {
    pub(crate) fn new(
        dest: &Destination,
        keys: KeySource,
        account: Option<String>,
        environment: Option<AzureCredentialProvider>,
    ) -> Self {
        let options = &dest.options;
        Self {
            uri: dest.name(),
            keys,
            account,
            environment,
            checksum: options.checksum,
            has_conditions: options.conditional_put,
        }
    }

    fn sign_with(&self, request: &mut HttpRequest, key: &AzureCredential, account: &str) -> Result<(), MediaError> {
        let signed = AzureAuthorizer::new(key, account).try_authorize(request);
        signed.map_err(|e| self.refuse(format!("the request cannot be signed: {e}")))
    }

    fn refuse(&self, reason: String) -> MediaError {
        MediaError::new(ErrorClass::Permission, Op::Open, &self.uri, "", reason)
    }
}

#[async_trait]
impl Dialect for AzureDialect {
    fn prepare(&self, request: &mut HttpRequest, body: &Bytes) {
        if self.is_long(request) {
            // Parts that become an object never replace one.
            request.headers_mut().insert("if-none-match", HeaderValue::from_static("*"));
            return;
        }
        let is_log_made = request.headers().get("x-ms-blob-type").is_some_and(|kind| kind == "AppendBlob");
        if request.method() == Method::PUT && self.checksum != Checksum::Off && !is_log_made {
            // Base64 is text of a header.
            let md5 = HeaderValue::from_str(&content_md5(body)).unwrap_or(HeaderValue::from_static(""));
            request.headers_mut().insert("content-md5", md5);
        }
    }

    async fn sign(&self, mut request: HttpRequest) -> Result<HttpRequest, MediaError> {
        match (self.keys.now(&self.uri)?, &self.environment) {
            (Some(keys), _) => {
                let account = self.account.as_ref().unwrap_or(&keys.id);
                let key = AzureAccessKey::try_new(&keys.secret)
                    .map_err(|_| self.refuse("access_key is not an Azure key (base64)".to_owned()))?;
                self.sign_with(&mut request, &AzureCredential::AccessKey(key), account)?;
            }
            (None, Some(environment)) => {
                let key = environment.get_credential().await;
                let key = key.map_err(|e| self.refuse(no_keys("AZURE_STORAGE_KEY", &e)))?;
                self.sign_with(&mut request, &key, self.account.as_deref().unwrap_or(""))?;
            }
            (None, None) => {
                return Err(self.refuse("no keys: give access_id and access_key, or access_key_file".to_owned()));
            }
        }
        Ok(request)
    }

    fn is_long(&self, request: &HttpRequest) -> bool {
        request.method() == Method::PUT && request.uri().query().is_some_and(|query| query == "comp=blocklist")
    }

    fn has_conditions(&self) -> bool {
        self.has_conditions
    }

    fn verdict(&self, refusal: &Refusal) -> Option<Conditional> {
        match refusal.reply.code().as_str() {
            "BlobAlreadyExists" | "ConditionNotMet" | "AppendPositionConditionNotMet" | "InvalidBlobType" => {
                Some(Conditional::Refused)
            }
            "InvalidBlockList" | "InvalidBlobOrBlock" => Some(Conditional::Unknown),
            _ => None,
        }
    }
}
