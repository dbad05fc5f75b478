//! Who may ask: the Host check against DNS rebinding and the Origin check against other sites'
//! pages. Each refusal says which setting would allow it.

use std::net::IpAddr;

/// Decides by the names a request carries; says nothing about users.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    /// Lower case, without port: the listen address as configured, and `allowed_hosts`.
    names: Vec<String>,
    /// Listening on all addresses: any of them may be used, since rebinding needs a name.
    any_address: bool,
    /// `https://app.example.org`, lower case.
    origins: Vec<String>,
}

impl Guard {
    /// `listen` is the host the server listens on; hosts and origins come from the configuration.
    pub fn new(listen: &str, allowed_hosts: &[String], allowed_origins: &[String]) -> Guard {
        let mut names = vec![normal_name(listen)];
        names.extend(allowed_hosts.iter().map(|host| normal_name(host)));
        let address: Option<IpAddr> = normal_name(listen).parse().ok();
        Guard {
            names,
            any_address: address.is_some_and(|a| a.is_unspecified()),
            origins: allowed_origins
                .iter()
                .map(|o| o.trim_end_matches('/').to_ascii_lowercase())
                .collect(),
        }
    }

    /// Whether a request with this `Host` is meant for this server.
    pub fn allows_host(&self, host: &str) -> bool {
        let name = normal_name(host);
        if let Ok(address) = name.parse::<IpAddr>() {
            return address.is_loopback() || self.any_address || self.names.contains(&name);
        }
        name == "localhost" || name.ends_with(".localhost") || self.names.contains(&name)
    }

    /// Whether a page of this origin may open a WebSocket here. `None`: not a browser. `is_secure`: it asks over TLS,
    /// so that a page which came without, and which anybody on the way may have written, is another server's.
    pub fn allows_origin(&self, origin: Option<&str>, host: &str, is_secure: bool) -> bool {
        let Some(origin) = origin else { return true };
        let origin = origin.to_ascii_lowercase();
        if self.origins.contains(&origin) {
            return true;
        }
        let (default_port, authority) = match origin.split_once("://") {
            Some(("http", authority)) if !is_secure => (":80", authority),
            Some(("https", authority)) => (":443", authority),
            _ => return false,
        };
        let host = host.to_ascii_lowercase();
        let plain = |name: &str| name.strip_suffix(default_port).unwrap_or(name).to_owned();
        plain(authority) == plain(&host)
    }
}

/// A host without port, brackets, final dot and capitals.
fn normal_name(host: &str) -> String {
    let name = match host.strip_prefix('[') {
        Some(address) => address.split(']').next().unwrap_or(address),
        None if host.matches(':').count() > 1 => host,
        None => host.split(':').next().unwrap_or(host),
    };
    name.trim_end_matches('.').to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(listen: &str) -> Guard {
        let strings = |list: &[&str]| list.iter().map(|&s| s.to_owned()).collect::<Vec<_>>();
        Guard::new(
            listen,
            &strings(&["App.example.org"]),
            &strings(&["https://other.example.org/"]),
        )
    }

    #[test]
    fn names_that_could_be_rebound_are_refused() {
        let local = guard("127.0.0.1");
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "a.localhost",
            "127.0.0.1:8080",
            "127.1.2.3",
            "[::1]:8080",
            "app.example.org",
            "app.example.org.:80",
        ] {
            assert!(local.allows_host(host), "{host}");
        }
        for host in [
            "evil.example",
            "192.168.1.5",
            "localhost.evil.example",
            "[2001:db8::1]",
        ] {
            assert!(!local.allows_host(host), "{host}");
        }
        for wild in ["0.0.0.0", "::"] {
            assert!(guard(wild).allows_host("192.168.1.5:80"));
            assert!(guard(wild).allows_host("[2001:db8::1]"));
            assert!(!guard(wild).allows_host("evil.example"));
        }
        assert!(guard("192.168.1.5").allows_host("192.168.1.5:80"));
    }

    #[test]
    fn only_pages_from_here_open_websockets() {
        let guard = guard("127.0.0.1");
        let allowed = |origin, host| guard.allows_origin(Some(origin), host, false);
        assert!(guard.allows_origin(None, "localhost", false));
        assert!(allowed("http://localhost:8080", "localhost:8080"));
        assert!(allowed("http://localhost", "localhost:80"));
        assert!(allowed("https://App.example.org", "app.example.org"));
        assert!(allowed("https://other.example.org", "localhost"));
        assert!(!allowed("http://localhost:8081", "localhost:8080"));
        assert!(!allowed("http://evil.example", "localhost:8080"));
        assert!(!allowed("null", "localhost"));
        assert!(!allowed("file://", "localhost"));
        let over_tls = |origin, host| guard.allows_origin(Some(origin), host, true);
        assert!(over_tls("https://localhost:8443", "localhost:8443"));
        assert!(over_tls("https://localhost", "localhost:443"));
        assert!(!over_tls("http://localhost", "localhost"));
        assert!(!over_tls("http://localhost:8443", "localhost:8443"));
    }
}
