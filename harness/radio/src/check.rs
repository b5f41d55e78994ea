//! What an access point needs of this machine, for `hil doctor`.

use std::path::Path;

use hil_config::AccessPoint;
use hil_power::Diagnosis;

use crate::error::RadioError;
use crate::hostapd::{has_own_rights, program};

/// A part that was checked.
#[derive(Debug)]
pub struct Finding {
    /// The part.
    pub what: String,
    /// What is found.
    pub diagnosis: Diagnosis,
}

/// Checks the program, the interface and the rights of this process.
#[must_use]
pub fn check(config: &AccessPoint) -> Vec<Finding> {
    let root = Path::new("/");
    let of = |what: &str, diagnosis| Finding { what: what.to_owned(), diagnosis };
    vec![
        of("hostapd", check_program(config)),
        of(&format!("interface {}", config.interface), check_interface(root, &config.interface)),
        of("rights for the radio", check_rights(root)),
    ]
}

fn bad(reason: impl Into<String>, hint: impl Into<String>) -> Diagnosis {
    Diagnosis::Bad { reason: reason.into(), hint: hint.into() }
}

fn check_program(config: &AccessPoint) -> Diagnosis {
    let of = |error: RadioError| bad(error.to_string(), error.hint().unwrap_or_default());
    match program(config) {
        Ok(program) if has_own_rights(&program) => of(RadioError::OwnRights(program)),
        Ok(program) => Diagnosis::Good(program.display().to_string()),
        Err(error) => of(error),
    }
}

fn check_interface(root: &Path, interface: &str) -> Diagnosis {
    let device = root.join("sys/class/net").join(interface);
    if !device.exists() {
        let error = RadioError::NoInterface(interface.to_owned());
        return bad(error.to_string(), error.hint().unwrap_or_default());
    }
    let phy = device.join("phy80211");
    if !phy.exists() {
        return bad(
            format!("`{interface}` is no Wi-Fi interface"),
            "`ls /sys/class/ieee80211/*/device/net` lists them",
        );
    }
    if is_blocked(&phy) {
        let hint =
            "`sudo rfkill unblock wifi`; on a Raspberry Pi, set the country of its Wi-Fi with `sudo raspi-config`";
        return bad(format!("`{interface}` is switched off (rfkill)"), hint);
    }
    if is_managed(root, &device) {
        let hint = format!("`sudo nmcli device set {interface} managed no`, or a file in /etc/NetworkManager/conf.d");
        return bad(format!("NetworkManager uses `{interface}`"), hint);
    }
    if root.join("run/wpa_supplicant").join(interface).exists() {
        let hint = format!("stop it: `sudo systemctl disable --now wpa_supplicant@{interface}`");
        return bad(format!("wpa_supplicant uses `{interface}`"), hint);
    }
    Diagnosis::Good("a Wi-Fi interface that no other program uses".to_owned())
}

/// Whether a switch of the radio is off.
fn is_blocked(phy: &Path) -> bool {
    let switches = std::fs::read_dir(phy).into_iter().flatten().flatten();
    let of_radio = switches.filter(|entry| entry.file_name().to_string_lossy().starts_with("rfkill"));
    let is_set = |path: &Path| std::fs::read_to_string(path).is_ok_and(|text| text.trim() == "1");
    of_radio.map(|entry| entry.path()).any(|switch| is_set(&switch.join("soft")) || is_set(&switch.join("hard")))
}

/// Whether NetworkManager manages an interface, as it notes for itself.
fn is_managed(root: &Path, device: &Path) -> bool {
    let index = std::fs::read_to_string(device.join("ifindex")).unwrap_or_default();
    let note = root.join("run/NetworkManager/devices").join(index.trim());
    std::fs::read_to_string(note).is_ok_and(|text| text.lines().any(|line| line.trim() == "managed=true"))
}

/// Bits of capabilities(7) that hostapd needs: it sets the radio up, and sends keys in packets of its own.
const NEEDED: &[(u32, &str)] = &[(12, "CAP_NET_ADMIN"), (13, "CAP_NET_RAW")];

/// Programs that root starts have its capabilities; those of others have the ambient ones.
fn check_rights(root: &Path) -> Diagnosis {
    let status = std::fs::read_to_string(root.join("proc/self/status")).unwrap_or_default();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    let is_root = field("Uid").is_some_and(|ids| ids.split_whitespace().nth(1) == Some("0"));
    let set = field(if is_root { "CapEff" } else { "CapAmb" });
    let set = set.and_then(|bits| u64::from_str_radix(bits, 16).ok()).unwrap_or_default();
    let lacking: Vec<_> = NEEDED.iter().filter(|(bit, _)| set >> bit & 1 == 0).map(|(_, name)| *name).collect();
    if lacking.is_empty() {
        return Diagnosis::Good("CAP_NET_ADMIN and CAP_NET_RAW".to_owned());
    }
    let hint = "run `hil` as root, or give its unit `AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW`; in a shell: \
         `sudo setpriv --reuid=$USER --init-groups --inh-caps=+net_admin,+net_raw --ambient-caps=+net_admin,+net_raw hil …`";
    bad(format!("hostapd would lack {}", lacking.join(" and ")), hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(diagnosis: Diagnosis) -> String {
        match diagnosis {
            Diagnosis::Good(how) => how,
            Diagnosis::Bad { reason, hint } => format!("{reason}\nhint: {hint}"),
        }
    }

    #[test]
    fn each_obstacle_is_named() {
        let root = tempfile::tempdir().expect("folder");
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
            std::fs::write(path, text).expect("write");
        };
        let interface = || shown(check_interface(root.path(), "wlan0"));
        let mut all = vec![interface()];
        write("sys/class/net/wlan0/ifindex", "3\n");
        all.push(interface());
        write("sys/class/net/wlan0/phy80211/rfkill0/soft", "1\n");
        all.push(interface());
        write("sys/class/net/wlan0/phy80211/rfkill0/soft", "0\n");
        write("run/NetworkManager/devices/3", "[device]\nmanaged=true\n");
        all.push(interface());
        write("run/NetworkManager/devices/3", "[device]\nmanaged=false\n");
        write("run/wpa_supplicant/wlan0", "");
        all.push(interface());
        std::fs::remove_file(root.path().join("run/wpa_supplicant/wlan0")).expect("removed");
        all.push(interface());
        let rights = |uid: &str, effective: &str, ambient: &str| {
            write("proc/self/status", &format!("Uid:\t{uid}\t{uid}\t0\t0\nCapEff:\t{effective}\nCapAmb:\t{ambient}\n"));
            shown(check_rights(root.path()))
        };
        all.push(rights("1000", "0000000000003000", "0000000000000000"));
        all.push(rights("1000", "0000000000003000", "0000000000003000"));
        all.push(rights("0", "0000000000002000", "0000000000000000"));
        insta::assert_snapshot!(all.join("\n\n"));
    }
}
