//! `s3://BUCKET[/PREFIX][?endpoint=URL&region=…&path_style=…&checksums=…]`: what a URL says about a bucket. Problems are
//! told without the value, which may hold a password by mistake.

use reqwest::Url;

const FORM: &str =
    "write s3://BUCKET?region=REGION for AWS, or s3://BUCKET?endpoint=https://HOST for another server";
const MAX_PREFIX_BYTES: usize = 256;

/// A bucket and how it is spoken to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BucketPlace {
    /// Its name.
    pub bucket: String,
    /// Where in it: a path without slashes at its ends, or empty.
    pub prefix: String,
    /// The server; `None`: AWS.
    pub endpoint: Option<String>,
    /// As signed.
    pub region: String,
    /// Whether the bucket is named in the path, not in the host.
    pub path_style: bool,
    /// Whether requests carry checksums wherever they can, not only where they must.
    pub checksums_everywhere: bool,
}

impl BucketPlace {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let url = Url::parse(text).map_err(|_| format!("it is no URL; {FORM}"))?;
        let has_only_host = url.username().is_empty() && url.password().is_none() && url.port().is_none();
        if !has_only_host {
            return Err(format!(
                "keys and ports do not belong into it; keys go to files.access_key_id and files.secret_access_key; {FORM}"
            ));
        }
        // Not `host_str`: a bucket's name is no host's, but it is as plain.
        let bucket = url.host_str().unwrap_or_default().to_owned();
        if !is_bucket(&bucket) || url.fragment().is_some() {
            return Err(format!("it names no bucket (3 to 63 of a-z, 0-9, `-` and `.`); {FORM}"));
        }
        let prefix = url.path().trim_matches('/').to_owned();
        if !is_prefix(&prefix) {
            return Err(
                "the path behind the bucket may hold letters, digits, `-`, `_`, `.` and single slashes"
                    .into(),
            );
        }
        let (mut endpoint, mut region, mut path_style, mut checksums) = (None, None, None, None);
        for (name, value) in url.query_pairs() {
            let known = match &*name {
                "endpoint" => &mut endpoint,
                "region" => &mut region,
                "path_style" => &mut path_style,
                "checksums" => &mut checksums,
                _ => return Err("an option behind the `?` is not known; there are endpoint, region, path_style and checksums".into()),
            };
            if known.replace(value.into_owned()).is_some() {
                return Err(format!("it names `{name}` twice"));
            }
        }
        let endpoint = endpoint.map(|endpoint| check_endpoint(&endpoint)).transpose()?;
        let is_aws = endpoint.is_none();
        let region = match region {
            Some(region) if is_region(&region) => region,
            Some(_) => return Err("its `region` is none; write it like eu-central-1".into()),
            None if is_aws => return Err(format!("it names neither `region` nor `endpoint`; {FORM}")),
            None => "us-east-1".into(),
        };
        Ok(Self {
            bucket,
            prefix,
            endpoint,
            region,
            path_style: match path_style.as_deref() {
                None => !is_aws,
                Some("true") => true,
                Some("false") => false,
                Some(_) => return Err("its `path_style` must be true or false".into()),
            },
            checksums_everywhere: match checksums.as_deref() {
                None => is_aws,
                Some("when_supported") => true,
                Some("when_required") => false,
                Some(_) => return Err("its `checksums` must be when_required or when_supported".into()),
            },
        })
    }

    /// Returns whether nobody on the way can read what is stored.
    pub(super) fn is_private(&self) -> bool {
        let Some(endpoint) = self.endpoint.as_deref().and_then(|url| Url::parse(url).ok()) else {
            return true;
        };
        endpoint.scheme() == "https"
            || matches!(endpoint.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"))
    }
}

fn is_bucket(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    (3..=63).contains(&name.len())
        && name.bytes().all(|byte| is_plain(byte) || b"-.".contains(&byte))
        && name.bytes().next().is_some_and(is_plain)
        && name.bytes().last().is_some_and(is_plain)
        && !name.contains("..")
}

fn is_prefix(path: &str) -> bool {
    path.is_empty()
        || (path.len() <= MAX_PREFIX_BYTES
            && path.split('/').all(|segment| {
                !segment.is_empty()
                    && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
            }))
}

fn is_region(region: &str) -> bool {
    (1..=64).contains(&region.len())
        && region.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

fn check_endpoint(text: &str) -> Result<String, String> {
    let url = Url::parse(text).ok().filter(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some_and(|host| !host.is_empty())
            && url.username().is_empty()
            && url.password().is_none()
            && matches!(url.path(), "" | "/")
            && url.query().is_none()
            && url.fragment().is_none()
    });
    let url =
        url.ok_or("its `endpoint` must be like https://HOST or http://HOST:PORT, without keys and path")?;
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_what_is_unusual() {
        let aws = BucketPlace::parse("s3://captions?region=eu-central-1").expect("a bucket");
        let expected = BucketPlace {
            bucket: "captions".into(),
            prefix: String::new(),
            endpoint: None,
            region: "eu-central-1".into(),
            path_style: false,
            checksums_everywhere: true,
        };
        assert_eq!(aws, expected);
        let other = BucketPlace::parse("s3://my.captions-2/eu/live/?endpoint=http://127.0.0.1:9000")
            .expect("a bucket");
        let expected = BucketPlace {
            bucket: "my.captions-2".into(),
            prefix: "eu/live".into(),
            endpoint: Some("http://127.0.0.1:9000".into()),
            region: "us-east-1".into(),
            path_style: true,
            checksums_everywhere: false,
        };
        assert_eq!(other, expected);
        let said = BucketPlace::parse(
            "s3://abc?endpoint=https%3A%2F%2Fs3.example.org%2F&region=auto&path_style=false&checksums=when_supported",
        );
        let said = said.expect("a bucket");
        assert_eq!(said.endpoint.as_deref(), Some("https://s3.example.org"));
        assert_eq!((said.region.as_str(), said.path_style, said.checksums_everywhere), ("auto", false, true));
    }

    #[test]
    fn what_is_no_bucket_is_told_without_its_value() {
        for (rest, told) in [
            ("", "no bucket"),
            ("//", "no bucket"),
            ("//hunter2", "neither `region` nor `endpoint`"),
            ("//hunter2?region=", "`region` is none"),
            ("//hu", "no bucket"),
            ("//Hunter_2?region=a", "no bucket"),
            ("//hunter2-?region=a", "no bucket"),
            ("//key:hunter2@bucket?region=a", "keys and ports do not belong"),
            ("//bucket:9000?region=a", "keys and ports do not belong"),
            ("//bucket/a//hunter2?region=a", "single slashes"),
            ("//bucket/hunter2!?region=a", "single slashes"),
            ("//bucket?endpoint=hunter2", "`endpoint` must be like"),
            ("//bucket?endpoint=ftp://hunter2", "`endpoint` must be like"),
            ("//bucket?endpoint=https://key:hunter2@host", "`endpoint` must be like"),
            ("//bucket?endpoint=https://host/hunter2", "`endpoint` must be like"),
            ("//bucket?region=a&path_style=hunter2", "`path_style` must be"),
            ("//bucket?region=a&checksums=hunter2", "`checksums` must be"),
            ("//bucket?region=a&secret=hunter2", "is not known"),
            ("//bucket?region=a&region=hunter2", "names `region` twice"),
        ] {
            let problem = BucketPlace::parse(&format!("s3:{rest}")).expect_err(rest);
            assert!(problem.contains(told) && !problem.contains("hunter2"), "{rest}: {problem}");
        }
    }
}
