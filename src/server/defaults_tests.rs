//! What `lunette dump-config` tells of the network is what the network has.

use super::net_limits;
use crate::config::defaults::KNOWN;
use crate::config::{Config, Settings, file};
use crate::net::limits::NetLimits;

#[test]
fn usual_values_of_the_network_are_those_in_force() {
    let mut text = String::from("[net]\n");
    for known in KNOWN.iter().filter(|known| known.section == "net") {
        text += &format!("{} = {}\n", known.key, known.usual.expect("a value"));
    }
    let set = Config::resolve(file::parse("f", &text));
    let set = net_limits(&set.expect("a configuration"));
    let none = net_limits(&Config::resolve(Settings::default()).expect("a configuration"));
    let told = |limits: &NetLimits| format!("{limits:?}");
    assert_eq!(told(&set), told(&none));
    assert_eq!(told(&none), told(&NetLimits::default()));
}
