//! Checks of the machine that runs `hil`.

use std::net::TcpListener;
use std::path::Path;

use hil_bench::keeper::{check_lock_folder, lock_folder};
use hil_config::{Bench, BoardKind};

use super::pi::{self, Pi};
use super::{Check, clock};

/// Runs the checks that this bench needs.
pub(super) fn check(bench: &Bench) -> Vec<Check> {
    let is_real = bench.boards.values().any(|board| board.kind == BoardKind::Esp);
    let pi = Pi::detect(Path::new("/"));
    let mut checks = pi.as_ref().map(|pi| pi.check(pi::vcgencmd)).unwrap_or_default();
    checks.extend([clock::check(is_real || pi.is_some()), disk(), tap(bench), broker(bench)]);
    if is_real {
        checks.push(locks());
        checks.push(grabbers());
    }
    checks.extend(flashers(bench));
    let uses_gpio = |board: &hil_config::Board| {
        board.rails.iter().any(|rail| !rail.driver.uses.lines.is_empty())
            || board.pins.values().any(|pin| matches!(pin.line, hil_config::PinLine::Bench(_)))
    };
    if bench.boards.values().any(uses_gpio) {
        checks.extend(pi.map(|pi| pi.released_lines()));
    }
    checks
}

fn disk() -> Check {
    const WANTED: u64 = 1 << 30;
    let folder = ["target/hil", "target", "."].into_iter().find(|folder| Path::new(folder).is_dir()).unwrap_or(".");
    match rustix::fs::statvfs(folder) {
        Ok(stat) if stat.f_bavail * stat.f_frsize >= WANTED => {
            Check::good("disk", format!("{:.0} GB free for run folders", (stat.f_bavail * stat.f_frsize) as f64 / 1e9))
        }
        Ok(stat) => {
            let free = (stat.f_bavail * stat.f_frsize) >> 20;
            Check::bad("disk", format!("only {free} MB free in `{folder}`"), "remove old runs from `target/hil`")
        }
        Err(error) => Check::bad("disk", error.to_string(), "run `hil` in a folder that you can write to"),
    }
}

/// Boards connect to the tap: it must listen on an address of this machine, and boards must be able to reach it.
fn tap(bench: &Bench) -> Check {
    let (address, listen) = (bench.tap.address, bench.tap.listen);
    if let Err(error) = TcpListener::bind((listen, 0)) {
        let hint = if listen == address {
            "set `tap.address` or `tap.listen` to an address of this machine; `ip -brief address` lists them"
        } else {
            "set `tap.listen` to an address of this machine; `ip -brief address` lists them"
        };
        return Check::bad("tap", format!("can't listen on {listen}: {error}"), hint);
    }
    let apart: Vec<&str> = bench.boards.values().filter(|board| is_hardware(board)).map(|b| b.name.as_str()).collect();
    if !apart.is_empty() && (address.is_loopback() || address.is_unspecified()) {
        let hint = "set `tap.address` to this machine's address in the boards' network";
        return Check::bad("tap", format!("`{}` can't reach {address}", apart.join("`, `")), hint);
    }
    if listen == address {
        return Check::good("tap", format!("listens on {address}"));
    }
    Check::good("tap", format!("listens on {listen}; boards are given {address}"))
}

/// A physical board, not a program on this machine: an emulator's port is a pseudo-terminal, or a link to one.
fn is_hardware(board: &hil_config::Board) -> bool {
    let Some(port) = board.port.as_ref().filter(|_| board.kind == BoardKind::Esp) else { return false };
    let is_device = |path: &Path| {
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        path.starts_with("/dev") && !path.starts_with("/dev/pts")
    };
    port.usb_serial.is_some()
        || port.topology.is_some()
        || port.mac.is_some()
        || port.path.as_deref().is_some_and(is_device)
}

fn broker(bench: &Bench) -> Check {
    let made = hil_mqtt::broker::new(&bench.broker, std::sync::Arc::new(|_| {}));
    if let Err(error) = made {
        return Check::bad("broker", error.to_string(), error.hint());
    }
    if let Some(url) = &bench.broker.url {
        return external(url);
    }
    let listen = bench.broker.listen;
    match TcpListener::bind(listen) {
        Ok(_) => Check::good("broker", format!("{} on {listen}", bench.broker.kind.word)),
        Err(error) => Check::bad(
            "broker",
            format!("can't listen on {listen}: {error}"),
            "remove `broker.listen` to use any free port, or stop the program on this one; `ss -ltnp` shows it",
        ),
    }
}

/// Whether an external broker accepts connections. Whether it speaks MQTT is checked by a run.
fn external(url: &hil_config::BrokerUrl) -> Check {
    use std::net::ToSocketAddrs as _;
    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(3);
    let host = url.host.trim_start_matches('[').trim_end_matches(']');
    let place = format!("{}:{}", url.host, url.port);
    let reached = (host, url.port).to_socket_addrs().and_then(|mut addresses| {
        let first = addresses.next().ok_or_else(|| std::io::Error::other("the host name has no address"))?;
        std::net::TcpStream::connect_timeout(&first, PATIENCE)
    });
    match reached {
        Ok(_) => Check::good("broker", format!("external, accepts connections at {place}")),
        Err(error) => Check::bad(
            "broker",
            format!("can't connect to {place}: {error}"),
            "start the broker, or correct `broker.url`",
        ),
    }
}

fn locks() -> Check {
    let folder = lock_folder();
    let existing = folder.ancestors().find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
    let writable = rustix::fs::access(existing, rustix::fs::Access::WRITE_OK).is_ok();
    if let Err(error) = check_lock_folder() {
        let hint = format!("correct it, or name another folder in `{}`", hil_config::HIL_LOCKS);
        return Check::bad("locks", format!("`{}`: {error}", folder.display()), hint);
    }
    if writable {
        return Check::good("locks", format!("in {}", folder.display()));
    }
    let hint =
        format!("`sudo chmod 1777 {}`, or name another folder in `{}`", existing.display(), hil_config::HIL_LOCKS);
    Check::bad("locks", format!("`{}` can't be written to", existing.display()), hint)
}

/// Programs that open every new serial port and send bytes to it.
fn grabbers() -> Check {
    let is_grabber = |name: &str| matches!(name, "ModemManager" | "brltty");
    let names = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let running = names
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("comm")).ok())
        .find(|name| is_grabber(name.trim()));
    match running {
        None => Check::good("nothing grabs ports", "neither ModemManager nor brltty runs"),
        Some(name) => {
            let name = name.trim();
            let service = if name == "brltty" { "brltty-udev" } else { name };
            Check::bad(
                "nothing grabs ports",
                format!("{name} opens new serial ports"),
                format!("`sudo systemctl disable --now {service}`"),
            )
        }
    }
}

/// What the boards' flashers need to have installed; each flasher once.
fn flashers(bench: &Bench) -> Vec<Check> {
    let mut flashers: Vec<&hil_config::Flasher> = Vec::new();
    for board in bench.boards.values() {
        if !flashers.contains(&&board.flasher) {
            flashers.push(&board.flasher);
        }
    }
    let checked =
        |flasher: &hil_config::Flasher| Some(Check::of(flasher.word.clone(), hil_bench::check_flasher(flasher)?));
    flashers.into_iter().filter_map(checked).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A bench whose tap is at this address, with a board at this port.
    fn bench(tap: &str, port: &str) -> Bench {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("bench.toml");
        let text = format!("[tap]\n{tap}\n[boards.lamp]\nkind = \"esp\"\nchip = \"esp32c3\"\nport = {{ {port} }}\n");
        std::fs::write(&path, text).expect("write");
        Bench::from_file(&path, &hil_scenario::kinds()).expect("valid")
    }

    #[test]
    fn a_physical_board_can_not_reach_a_tap_on_loopback_however_its_port_is_named() {
        let loopback = "address = \"127.0.0.1\"";
        let hardware = [
            "usb-serial = \"A5\"",
            "path = \"/dev/serial/by-id/usb-1\"",
            "path = \"/dev/ttyUSB7\"",
            "topology = \"1-1\"",
        ];
        for port in hardware {
            assert_eq!(tap(&bench(loopback, port)).how, "`lamp` can't reach 127.0.0.1", "{port}");
        }
        let folder = tempfile::tempdir().expect("folder");
        let pretended =
            ["path = \"/dev/pts/7\"".to_owned(), format!("path = \"{}\"", folder.path().join("none").display())];
        for port in pretended {
            assert!(tap(&bench(loopback, &port)).hint.is_none(), "{port}");
        }
        assert!(tap(&bench("address = \"0.0.0.0\"", "path = \"/dev/ttyUSB7\"")).hint.is_some());
    }

    #[test]
    fn the_address_that_boards_get_need_not_be_one_of_this_machine() {
        let port = "path = \"/dev/ttyUSB7\"";
        let there = tap(&bench("address = \"192.0.2.1\"\nlisten = \"127.0.0.1\"", port));
        assert_eq!((there.how.as_str(), there.hint), ("listens on 127.0.0.1; boards are given 192.0.2.1", None));
        let nowhere = tap(&bench("address = \"192.0.2.1\"", port));
        assert!(nowhere.how.starts_with("can't listen on 192.0.2.1: "), "{nowhere:?}");
        assert!(nowhere.hint.is_some_and(|hint| hint.contains("`tap.listen`")));
    }
}
