//! What the store is told about its bucket, and the client made of it. No credential is taken from anywhere else: neither
//! from the environment of the AWS tools nor from the machine's role.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Config, Credentials, Region, RequestChecksumCalculation, ResponseChecksumValidation,
    StalledStreamProtectionConfig,
};
use std::time::Duration;

/// When requests carry a checksum besides their signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Checksums {
    /// Where S3 insists: what servers other than AWS's understand.
    WhenRequired,
    /// Wherever S3 can: CRC-32 of every body.
    WhenSupported,
}

/// The bucket and how it is spoken to.
#[derive(Clone)]
pub struct S3Settings {
    /// Its name.
    pub bucket: String,
    /// Where in it the objects are: a path without slashes at its ends, or empty.
    pub prefix: String,
    /// `http(s)://HOST[:PORT]`; `None`: AWS.
    pub endpoint: Option<String>,
    /// As signed; servers other than AWS's take any.
    pub region: String,
    /// Whether the bucket is named in the path, not in the host.
    pub path_style: bool,
    /// When requests carry a checksum.
    pub checksums: Checksums,
    /// Who asks.
    pub access_key_id: String,
    /// Proves it.
    pub secret_access_key: String,
    /// To get a connection.
    pub connect_timeout: Duration,
    /// For one attempt at a request, and between two pieces of a download.
    pub request_timeout: Duration,
    /// At each request.
    pub attempts: u32,
}

impl S3Settings {
    /// Makes the client.
    pub(super) fn client(&self) -> Client {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(self.connect_timeout)
            .operation_attempt_timeout(self.request_timeout)
            .build();
        let credentials =
            Credentials::new(&self.access_key_id, &self.secret_access_key, None, None, "configuration");
        let (request, response) = match self.checksums {
            Checksums::WhenRequired => {
                (RequestChecksumCalculation::WhenRequired, ResponseChecksumValidation::WhenRequired)
            }
            Checksums::WhenSupported => {
                (RequestChecksumCalculation::WhenSupported, ResponseChecksumValidation::WhenSupported)
            }
        };
        let config = Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(self.region.clone()))
            .credentials_provider(credentials)
            .force_path_style(self.path_style)
            .request_checksum_calculation(request)
            .response_checksum_validation(response)
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(self.attempts))
            // Bodies up are whole in memory, bodies down have a timeout of ours between two pieces.
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        let config = match &self.endpoint {
            Some(url) => config.endpoint_url(url),
            None => config,
        };
        Client::from_conf(config.build())
    }
}
