//! Arguments, resolved once; and what each command does with them.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands;
use crate::exit_code::ExitCode;

/// Hardware-in-the-loop tests for ESP boards that speak MQTT.
#[derive(Debug, Parser)]
#[command(name = "hil", version, about, after_help = EXAMPLES, max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,

    /// When to colour the output; `auto` heeds `NO_COLOR`
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    color: ColorChoice,
}

const EXAMPLES: &str = "\
Examples:
  hil run                                all features, on the bench of HIL_BENCH or on the virtual bench
  hil run features/lamp --name toggles   the scenarios of a folder whose name contains `toggles`
  hil tap --broker 192.168.7.1:1883      watch what a device and a broker say to each other
  hil virtual                            bring the virtual bench up and hold it until Ctrl-C
  hil steps                              every step with an example

Exit codes: 0 passed, 4 nothing ran, 96 set-up error, 100 failed, 102 bench error, 103 regression, 130 aborted.";

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ColorChoice {
    /// On a terminal
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run features
    Run(RunArgs),
    /// Flash a board and boot it
    Flash(FlashArgs),
    /// Show the boards of the bench, and what is attached
    Boards(BoardsArgs),
    /// Look whether the bench is in order
    Doctor(DoctorArgs),
    /// Watch a board's console, and talk to it
    Monitor(MonitorArgs),
    /// Switch the power of a board
    Power(PowerArgs),
    /// Reset a board
    Reset(ResetArgs),
    /// Watch the MQTT packets between a device and a broker, and disturb them
    Tap(TapArgs),
    /// Make test certificates: a CA, a broker's and clients'
    Certs(CertsArgs),
    /// Bring the virtual bench up and hold it until Ctrl-C
    Virtual(VirtualArgs),
    /// Print every step with an example
    Steps(FormatArgs),
    /// Check features without running them
    Lint(SelectArgs),
    /// Write the reports of a run folder anew
    Report(ReportArgs),
    /// Tell what got worse from one run, or baseline, to another
    Compare(CompareArgs),
    /// Keep good runs in a file to compare later ones with
    Baseline(BaselineArgs),
    /// Show the last runs, or how a scenario did in them
    History(HistoryArgs),
    /// Print a JSON schema of the bench file, for editors
    Schema,
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
}

/// Where the bench is described.
#[derive(Debug, Clone, Args)]
pub(crate) struct BenchArgs {
    /// Bench file; without it, `HIL_BENCH`, else the built-in virtual bench
    #[arg(long, value_name = "FILE")]
    pub(crate) bench: Option<PathBuf>,
}

/// What happens when somebody else uses a board.
#[derive(Debug, Clone, Args)]
pub(crate) struct WaitArgs {
    /// Wait for boards that somebody else uses; this is the default
    #[arg(long, conflicts_with = "no_wait")]
    pub(crate) wait: bool,

    /// End at once when somebody else uses a board
    #[arg(long)]
    pub(crate) no_wait: bool,
}

/// Which scenarios.
#[derive(Debug, Clone, Args)]
pub(crate) struct SelectArgs {
    /// Feature files or folders [default: features]
    #[arg(value_name = "FEATURES")]
    pub(crate) features: Vec<PathBuf>,

    /// Tag expression, such as `@wifi and not @slow`
    #[arg(long, value_name = "EXPR")]
    pub(crate) tags: Option<String>,

    /// Regular expression on the scenario's name
    #[arg(long, value_name = "REGEX")]
    pub(crate) name: Option<String>,
}

/// How to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

/// What a scenario that passed on a retry counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Flaky {
    /// The run fails: 100
    Fail,
    /// The run may pass
    Pass,
}

/// What makes a comparison end with 103.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// A scenario is newly failing or newly flaky, or a time got longer
    Regression,
}

/// How to write a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReportFormat {
    /// For people
    Text,
    /// For a page
    Markdown,
    /// For programs
    Json,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  hil compare last-good target/hil/latest
  hil compare baselines/lamp-1.2.json target/hil/latest --fail-on regression
  hil compare /tmp/before /tmp/after --format markdown

Times are compared only where there is enough data; runs of the same firmware in the history count as well. Simulated
boards and silicon are never compared.")]
pub(crate) struct CompareArgs {
    /// Run folder, baseline file, or `last-good`
    pub(crate) base: PathBuf,

    /// Run folder or baseline file
    #[arg(default_value = "target/hil/latest")]
    pub(crate) head: PathBuf,

    /// Output format
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub(crate) format: ReportFormat,

    /// End with 103 when something got worse
    #[arg(long, value_enum, value_name = "WHAT")]
    pub(crate) fail_on: Option<FailOn>,

    /// History [default: HIL_HISTORY, else target/hil/history.jsonl]
    #[arg(long, value_name = "FILE")]
    pub(crate) history: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct BaselineArgs {
    #[command(subcommand)]
    pub(crate) command: BaselineCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum BaselineCommand {
    /// Write good runs to a file that can be kept beside the features
    Save(SaveArgs),
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  hil baseline save --out baselines/lamp.json                      the last good run and those of its firmware before it
  hil baseline save /tmp/a /tmp/b --out baselines/lamp.json        these runs")]
pub(crate) struct SaveArgs {
    /// Run folders or baselines [default: the last good run of the history, and those of its firmware before it]
    pub(crate) runs: Vec<PathBuf>,

    /// File to write
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,

    /// Write over the file if it is there
    #[arg(long)]
    pub(crate) replace: bool,

    /// Save runs that did not pass as well
    #[arg(long)]
    pub(crate) even_if_bad: bool,

    /// History [default: HIL_HISTORY, else target/hil/history.jsonl]
    #[arg(long, value_name = "FILE")]
    pub(crate) history: Option<PathBuf>,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  hil history                   the last runs, and what did not always pass
  hil history 'lamp on'         verdicts and times of the scenarios with `lamp on` in their name
  hil history --format json

Signs: ✓ passed, ✗ failed, ! bench error, ~ flaky, - skipped, aborted or not run.")]
pub(crate) struct HistoryArgs {
    /// Part of a scenario's name or file
    pub(crate) scenario: Option<String>,

    /// How many runs to look at
    #[arg(long, value_name = "N", default_value_t = 30, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) last: u16,

    /// History [default: HIL_HISTORY, else target/hil/history.jsonl]
    #[arg(long, value_name = "FILE")]
    pub(crate) history: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct FormatArgs {
    /// Output format
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT")]
    pub(crate) format: Format,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  hil run
  hil run features/lamp/power.feature --bench bench.toml
  hil run features/lamp/power.feature:13
  hil run --tags 'not @slow' --out /tmp/nightly
  hil run --list

Scenarios tagged @opt-in run only when they are asked for: by path or by tag.
A scenario tagged @requires:NAME is skipped where no board has that name, kind or tag.
Reports are written to target/hil/<time>-<id>/; target/hil/latest points at the newest.")]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) select: SelectArgs,
    #[command(flatten)]
    pub(crate) bench: BenchArgs,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,

    /// Run folder; it must not hold a run yet
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,

    /// Leave passwords and secrets in `traffic.pcapng`
    #[arg(long)]
    pub(crate) unmask: bool,

    /// List the scenarios that would run, and run nothing
    #[arg(long)]
    pub(crate) list: bool,

    /// Longest time for a step beyond the durations it names
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = duration)]
    pub(crate) step_deadline: Duration,

    /// Longest time for a scenario
    #[arg(long, value_name = "TIME", default_value = "5min", value_parser = duration)]
    pub(crate) scenario_deadline: Duration,

    /// Longest time for the run; keep it shorter than the CI job's
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) deadline: Option<Duration>,

    /// How often a scenario is tried again where the firmware is to blame [default: 0; a scenario tagged @retry(n): n]
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    pub(crate) retries: u32,

    /// How often a scenario is tried again, on a board that was without power, where the bench is to blame
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) bench_retries: u32,

    /// What a scenario that passed on a retry counts as
    #[arg(long, value_enum, default_value = "pass", value_name = "WHAT")]
    pub(crate) flaky: Flaky,

    /// Tell what got worse since this run folder or baseline, or since the `last-good` run of the history
    #[arg(long, value_name = "RUN|FILE|last-good")]
    pub(crate) baseline: Option<PathBuf>,

    /// End with 103 when something got worse since the baseline
    #[arg(long, value_enum, value_name = "WHAT", requires = "baseline")]
    pub(crate) fail_on: Option<FailOn>,

    /// File that each run is appended to [default: HIL_HISTORY, else target/hil/history.jsonl]
    #[arg(long, value_name = "FILE")]
    pub(crate) history: Option<PathBuf>,

    /// End with 102 when a scenario is skipped: for a bench that should lack nothing
    #[arg(long)]
    pub(crate) strict: bool,

    /// Print failures and the summary only
    #[arg(long, short, conflicts_with = "verbose")]
    pub(crate) quiet: bool,

    /// Print each step, and with -vv each packet and console line
    #[arg(long, short, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  hil flash lamp --firmware lamp
  hil flash lamp --format json | jq .written")]
pub(crate) struct FlashArgs {
    /// Board, as the bench file calls it
    pub(crate) board: String,

    /// Firmware, as the bench file calls it [default: the board's own]
    #[arg(long, value_name = "NAME")]
    pub(crate) firmware: Option<String>,

    #[command(flatten)]
    pub(crate) bench: BenchArgs,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  hil boards                                      the boards of the bench file, and how their ports stand
  hil boards discover --probe                     every serial port, with chip and MAC
  hil boards discover --probe --write bench.toml  a first bench file")]
pub(crate) struct BoardsArgs {
    #[command(subcommand)]
    pub(crate) command: Option<BoardsCommand>,

    #[command(flatten)]
    pub(crate) bench: BenchArgs,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum BoardsCommand {
    /// List every serial port that is attached
    Discover(DiscoverArgs),
}

#[derive(Debug, Clone, Args)]
pub(crate) struct DiscoverArgs {
    /// Ask each chip for its type and MAC; this resets it
    #[arg(long)]
    pub(crate) probe: bool,

    /// Write a first bench file; it must not exist
    #[arg(long, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  hil doctor --bench bench.toml
  hil doctor --power lamp         switch the board on and off, and look whether it obeys

Ends with 0 when all is in order, with 96 when something is missing.")]
pub(crate) struct DoctorArgs {
    /// Switch this board on and off, listen to it, and ask whether its relay is right
    #[arg(long, value_name = "BOARD")]
    pub(crate) power: Vec<String>,

    #[command(flatten)]
    pub(crate) bench: BenchArgs,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  hil monitor lamp
  hil monitor lamp --elf target/app.elf    addresses of a panic become functions and lines
  hil monitor lamp --format json | jq -r .line

Keys: Ctrl-] ends it. Ctrl-T and then: r resets the board, l resets it into its loader, p switches its power, h shows the
keys, Ctrl-T or Ctrl-] sends that key. Everything else is sent to the board, Ctrl-C too. Without a terminal, its standard
input is sent line by line, and Ctrl-C ends it.")]
pub(crate) struct MonitorArgs {
    /// Board, as the bench file calls it
    pub(crate) board: String,

    /// ELF file of its firmware [default: that of the board's firmware, if it is one]
    #[arg(long, value_name = "FILE")]
    pub(crate) elf: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) bench: BenchArgs,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  hil power lamp cycle            off, a pause of its off-time, on until Ctrl-C
  hil power lamp on --detach      on until `hil power lamp off`

Whatever ends this command, the rails are left in their safe state, unless it is detached.")]
pub(crate) struct PowerArgs {
    /// Board, as the bench file calls it
    pub(crate) board: String,

    /// What to do
    #[arg(value_enum)]
    pub(crate) state: PowerState,

    /// Leave it on, and end
    #[arg(long)]
    pub(crate) detach: bool,

    #[command(flatten)]
    pub(crate) bench: BenchArgs,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

/// What to do with a board's power.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PowerState {
    /// Switch it on and hold it until Ctrl-C
    On,
    /// Switch it off
    Off,
    /// Off, a pause, on until Ctrl-C
    Cycle,
}

impl PowerState {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Off => "off",
            Self::Cycle => "cycle",
        }
    }
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  hil reset lamp")]
pub(crate) struct ResetArgs {
    /// Board, as the bench file calls it
    pub(crate) board: String,

    /// Into its ROM loader rather than its app
    #[arg(long)]
    pub(crate) loader: bool,

    #[command(flatten)]
    pub(crate) bench: BenchArgs,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  hil virtual --loader lamp
  esptool --port /dev/pts/N --before no-reset --after no-reset flash-id

  hil virtual --as-real /tmp/lab      boards that another hil takes for real ones
  hil run --bench /tmp/lab/bench.toml
  hil virtual --tell /tmp/lab/control.sock unplug lamp

While it is up, lines on its standard input are commands: reset BOARD, loader BOARD, power BOARD on|off, quit.")]
pub(crate) struct VirtualArgs {
    #[command(flatten)]
    pub(crate) bench: BenchArgs,

    /// Leave this board in its ROM loader, for esptool
    #[arg(long, value_name = "BOARD")]
    pub(crate) loader: Vec<String>,

    /// Make a bench in this folder whose boards another hil takes for real ones
    #[arg(long, value_name = "DIR", conflicts_with = "loader")]
    pub(crate) as_real: Option<PathBuf>,

    /// Send a command to such a bench
    #[arg(long, value_name = "SOCKET", requires = "command", conflicts_with_all = ["loader", "as_real"])]
    pub(crate) tell: Option<PathBuf>,

    /// The command: power BOARD on|off, state BOARD, hold BOARD, run BOARD, loader BOARD, boot BOARD low|high, unplug BOARD,
    /// plug BOARD
    #[arg(value_name = "COMMAND", requires = "tell")]
    pub(crate) command: Vec<String>,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Examples:
  hil tap                                             127.0.0.1:1884 to a broker on 127.0.0.1:1883
  hil tap --listen 0.0.0.0:1884 --broker mqtts://broker.example --write lamp.pcapng
  hil tap --fault 'delay 200ms jitter 50ms' --fault 'drop next PUBACK from board'

While it runs, lines on its standard input are faults:
  silence [up|down]   delay 200ms [jitter 50ms]   bandwidth 10kB/s   recover
  close   reset   refuse   accept   hold CONNACK [for 2s]   answer CONNECT with 5
  drop|duplicate|corrupt|swap next PUBLISH from|to board [on FILTER]
  delay next PUBACK by 2s from|to board [on FILTER]
and `quit` ends it.")]
pub(crate) struct TapArgs {
    /// Where devices shall connect to, over MQTT, TLS or WebSocket
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:1884")]
    pub(crate) listen: std::net::SocketAddr,

    /// The broker, as HOST:PORT or as mqtt://, mqtts://, ws:// or wss:// URL
    #[arg(long, value_name = "BROKER", default_value = "127.0.0.1:1883")]
    pub(crate) broker: String,

    /// Write a capture for Wireshark to this new file
    #[arg(long, value_name = "FILE")]
    pub(crate) write: Option<PathBuf>,

    /// Leave passwords in the capture
    #[arg(long, requires = "write")]
    pub(crate) unmask: bool,

    /// A fault to begin with; may be given more than once
    #[arg(long, value_name = "FAULT", value_parser = fault)]
    pub(crate) fault: Vec<hil_mqtt::Fault>,

    /// End after this time
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub(crate) duration: Option<Duration>,

    /// Certificate that is shown to devices that come over TLS, in PEM
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,

    /// Its private key
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,

    /// Who must have signed the certificates that devices show
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) client_ca: Option<PathBuf>,

    /// Pass TLS on to the broker's TLS port, unread
    #[arg(long, conflicts_with = "cert")]
    pub(crate) pass_through: bool,

    /// Who must have signed the broker's certificate [default: whom this machine trusts]
    #[arg(long, value_name = "FILE")]
    pub(crate) broker_ca: Option<PathBuf>,

    /// Certificate that is shown to the broker
    #[arg(long, value_name = "FILE", requires = "broker_key")]
    pub(crate) broker_cert: Option<PathBuf>,

    /// Its private key
    #[arg(long, value_name = "FILE", requires = "broker_cert")]
    pub(crate) broker_key: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  hil certs certs --host 192.168.7.1 --client lamp
writes ca.pem, server.pem and lamp.pem with their keys to the folder `certs`.")]
pub(crate) struct CertsArgs {
    /// Folder for the files; none that is there is written over
    #[arg(default_value = "certs")]
    pub(crate) folder: PathBuf,

    /// Name or address that boards connect to; may be given more than once. `localhost` and 127.0.0.1 are always in
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Vec<String>,

    /// Make a client certificate with this common name; may be given more than once
    #[arg(long, value_name = "NAME")]
    pub(crate) client: Vec<String>,

    /// Days until they expire; 0 makes some that expired long ago, for tests
    #[arg(long, value_name = "DAYS", default_value_t = 825)]
    pub(crate) days: u32,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ReportArgs {
    /// Run folder
    #[arg(default_value = "target/hil/latest")]
    pub(crate) run: PathBuf,

    /// Show statistics of the messages, by board and topic, instead
    #[arg(long)]
    pub(crate) traffic: bool,

    #[command(flatten)]
    pub(crate) format: FormatArgs,
}

#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  hil completions bash > ~/.local/share/bash-completion/completions/hil")]
pub(crate) struct CompletionsArgs {
    /// Shell
    pub(crate) shell: clap_complete::Shell,
}

fn fault(text: &str) -> Result<hil_mqtt::Fault, String> {
    text.parse().map_err(|error| format!("{error}; {}", hil_mqtt::FaultError::HINT))
}

fn duration(text: &str) -> Result<Duration, String> {
    hil_config::parse_duration(text).map_err(|error| format!("{error}; {}", hil_config::DurationError::HINT))
}

/// Runs the program on the arguments of this process.
#[must_use]
pub fn main() -> std::process::ExitCode {
    hil_bench::keeper::serve_if_asked();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { ExitCode::Setup } else { ExitCode::Passed };
            // A terminal that is gone has nobody to tell.
            let _ = error.print();
            return code.into();
        }
    };
    match cli.color {
        ColorChoice::Auto => {}
        ColorChoice::Always => set_colors(true),
        ColorChoice::Never => set_colors(false),
    }
    let code = match cli.command {
        Command::Run(args) => commands::run::run(args),
        Command::Flash(args) => commands::flash::flash(&args),
        Command::Boards(args) => commands::boards::boards(&args),
        Command::Doctor(args) => commands::doctor::doctor(&args),
        Command::Monitor(args) => commands::monitor::monitor(&args),
        Command::Power(args) => commands::power::power(&args),
        Command::Reset(args) => commands::reset::reset(&args),
        Command::Schema => commands::schema::print(),
        Command::Tap(args) => commands::tap::tap(&args),
        Command::Certs(args) => commands::certs::make(&args),
        Command::Virtual(args) => commands::virtual_bench::hold(&args),
        Command::Steps(args) => commands::steps::print(&args),
        Command::Lint(args) => commands::lint::lint(&args),
        Command::Report(args) => commands::report::report(&args),
        Command::Compare(args) => commands::compare::compare(&args),
        Command::Baseline(args) => commands::baseline::baseline(&args),
        Command::History(args) => commands::history::history(&args),
        Command::Completions(args) => commands::completions::print(&args),
    };
    code.into()
}

fn set_colors(on: bool) {
    console::set_colors_enabled(on);
    console::set_colors_enabled_stderr(on);
}
