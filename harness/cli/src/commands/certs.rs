//! `hil certs`.

use hil_timeline::escaped;
use hil_tls::{Certificates, make_certificates};

use crate::args::CertsArgs;
use crate::exit_code::ExitCode;
use crate::output::{Message, say, set_up_failed};

pub(crate) fn make(args: &CertsArgs) -> ExitCode {
    if let Some(wrong) = args.client.iter().find(|name| !is_file_name(name)) {
        let hint = "use letters, digits, `-` and `_`; `ca` and `server` are reserved".to_owned();
        return set_up_failed(&Message(format!("`{}` is not a valid client name", escaped(wrong))), Some(hint));
    }
    let mut hosts = args.host.clone();
    for usual in ["localhost", "127.0.0.1"] {
        if !hosts.iter().any(|host| host == usual) {
            hosts.push(usual.to_owned());
        }
    }
    let valid = std::time::Duration::from_secs(u64::from(args.days) * 24 * 3600);
    let wanted = Certificates { hosts, clients: args.client.clone(), valid: (args.days > 0).then_some(valid) };
    let made = match make_certificates(&args.folder, &wanted) {
        Ok(made) => made,
        Err(error) => {
            let hint = "name another folder: existing files are not overwritten".to_owned();
            return set_up_failed(&Message(format!("can't create the certificates: {error}")), Some(hint));
        }
    };
    for file in &made {
        say(format!("{}  {}", file.path.display(), file.what));
    }
    let folder = args.folder.display();
    say(format!(
        "\nTo let boards connect over TLS, add to [tap] in the bench file:\n  cert = \"{folder}/server.pem\"\n  key = \"{folder}/server.key\"\n  ca = \"{folder}/ca.pem\""
    ));
    say(
        "\nThe TLS client on the board must trust ca.pem. The setting `\"tls.ca\" = \"{tap.ca}\"` stores its text in NVS\n\
         (read it with `nvs_get_str`). ESP-IDF can also embed the file: `EMBED_TXTFILES ca.pem`. For MicroPython,\n\
         convert it (`openssl x509 -in ca.pem -outform der -out ca.der`) and pass it to `ssl` as `cadata`.\n\
         Keys are secrets, even on a test bench: keep them out of the repository.",
    );
    ExitCode::Passed
}

fn is_file_name(name: &str) -> bool {
    let plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'));
    plain && !matches!(name, "ca" | "server")
}
