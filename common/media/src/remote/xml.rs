//! The XML that stores speak: listings, unfinished uploads, errors. Unknown elements are skipped.

use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Reads a document; the reason when it is none.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, String> {
    let text = std::str::from_utf8(body).map_err(|e| format!("an answer that is no text: {e}"))?;
    quick_xml::de::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|e| format!("an answer that cannot be read: {e}"))
}

/// Code and words of an error document; empty when it is none.
pub(crate) fn error(body: &[u8]) -> (String, String) {
    #[derive(Default, Deserialize)]
    #[serde(default, rename_all = "PascalCase")]
    struct Error {
        code: String,
        message: String,
    }
    let found: Error = read(body).unwrap_or_default();
    (found.code, found.message)
}

/// `ListBucketResult` of S3 and OSS.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListBucket {
    #[serde(default)]
    pub(crate) is_truncated: bool,
    pub(crate) next_continuation_token: Option<String>,
    pub(crate) next_marker: Option<String>,
    #[serde(default)]
    pub(crate) contents: Vec<Contents>,
    #[serde(default)]
    pub(crate) common_prefixes: Vec<Prefix>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Contents {
    pub(crate) key: String,
    pub(crate) size: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Prefix {
    pub(crate) prefix: String,
}

/// `ListMultipartUploadsResult`
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListUploads {
    #[serde(default)]
    pub(crate) is_truncated: bool,
    pub(crate) next_key_marker: Option<String>,
    pub(crate) next_upload_id_marker: Option<String>,
    #[serde(default, rename = "Upload")]
    pub(crate) uploads: Vec<Upload>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Upload {
    pub(crate) key: String,
    pub(crate) upload_id: String,
    #[serde(default)]
    pub(crate) initiated: String,
}

/// `VersioningConfiguration` of S3 and OSS; a bucket that never had versions says nothing in it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", rename = "VersioningConfiguration")]
pub(crate) struct Versioning {
    #[serde(default)]
    status: String,
}

impl Versioning {
    /// A suspended bucket makes no new versions.
    pub(crate) fn is_on(&self) -> bool {
        self.status == "Enabled"
    }
}

/// `EnumerationResults` of Azure.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ListBlobs {
    #[serde(default)]
    pub(crate) blobs: Blobs,
    pub(crate) next_marker: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Blobs {
    #[serde(default, rename = "Blob")]
    pub(crate) blobs: Vec<Blob>,
    #[serde(default, rename = "BlobPrefix")]
    pub(crate) prefixes: Vec<BlobPrefix>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Blob {
    pub(crate) name: String,
    pub(crate) properties: BlobProperties,
}

#[derive(Debug, Deserialize)]
pub(crate) struct BlobProperties {
    #[serde(rename = "Content-Length")]
    pub(crate) bytes: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct BlobPrefix {
    pub(crate) name: String,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn mixed_listings_are_read_whole() {
        let text = "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
            <Name>b</Name><Prefix></Prefix><IsTruncated>true</IsTruncated><NextContinuationToken>t&amp;x</NextContinuationToken>\
            <CommonPrefixes><Prefix>a/</Prefix></CommonPrefixes><Contents><Key>b&lt;1&#38;</Key><Size>5</Size></Contents>\
            <CommonPrefixes><Prefix>c/</Prefix></CommonPrefixes></ListBucketResult>";
        let found: ListBucket = read(text.as_bytes()).unwrap();
        assert!(found.is_truncated && found.next_continuation_token.as_deref() == Some("t&x"));
        assert_eq!(
            (found.contents[0].key.as_str(), found.contents[0].size, found.common_prefixes.len()),
            ("b<1&", 5, 2)
        );
        let text = "\u{feff}<EnumerationResults><Blobs><Blob><Name>x</Name><Properties><Content-Length>3</Content-Length>\
            </Properties></Blob><BlobPrefix><Name>d/</Name></BlobPrefix></Blobs><NextMarker/></EnumerationResults>";
        let found: ListBlobs = read(text.as_bytes()).unwrap();
        assert_eq!((found.blobs.blobs[0].properties.bytes, found.blobs.prefixes.len()), (3, 1));
        assert!(found.next_marker.is_none_or(|m| m.is_empty()));
        assert_eq!(error(b"no xml"), (String::new(), String::new()));
    }
}
