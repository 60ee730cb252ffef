"""Every command with its flags."""

from lab.pulumi.arguments import Command, Flag

SHARED = (
    Flag("cwd", "C", "text", "run as if started in another directory"),
    Flag("non-interactive", help="never ask, fail instead"),
    Flag("color", takes="text", help="accepted; output has no colours"),
    Flag("emoji", "e", help="accepted; output has no emoji"),
    Flag("logtostderr", help="accepted for compatibility"),
    Flag("logflow", help="accepted for compatibility"),
    Flag("verbose", "v", "text", "accepted for compatibility"),
    Flag("tracing", takes="text", help="accepted for compatibility"),
    Flag("disable-integrity-checking", help="accepted for compatibility"),
    Flag("fully-qualify-stack-names", help="accepted for compatibility"),
    Flag("memprofilerate", takes="text", help="accepted for compatibility"),
    Flag("profiling", takes="text", help="accepted for compatibility"),
    Flag("help", "h", help="show this help"),
)

STACK = Flag("stack", "s", "text", "the stack; default: PULUMI_STACK or the selected one")
JSON = Flag("json", "j", help="print JSON")
YES = Flag("yes", "y", help="approve without asking")
SHOW_SECRETS = Flag("show-secrets", help="print secrets in plain text")
CONFIG_FILE = Flag("config-file", takes="text", help="the stack's settings file, instead of Pulumi.<stack>.yaml")
PATH = Flag("path", help="the key is a path into an object: a.b[0]")

OPERATION = (
    STACK,
    CONFIG_FILE,
    JSON,
    Flag("config", "c", "list", "a configuration value for this run only: KEY=VALUE"),
    Flag("config-path", help="the keys of --config are paths"),
    Flag("parallel", "p", "text", "how many steps may run at a time (default 16)"),
    Flag("message", "m", "text", "a note for the history"),
    Flag("target", "t", "list", "touch only this resource (URN or pattern); may be repeated"),
    Flag("exclude", takes="list", help="leave this resource alone; may be repeated"),
    Flag("target-dependents", help="touch the targets' dependents too"),
    Flag("exclude-dependents", help="accepted for compatibility"),
    Flag("refresh", "r", "bool", "refresh first"),
    Flag("expect-no-changes", help="fail if anything changed"),
    Flag("clear-pending-creates", help="forget interrupted creates"),
    Flag("diff", help="show what changes in each resource"),
    Flag("event-log", takes="text", help="write engine events to a file or tcp://HOST:PORT"),
    Flag("client", takes="text", help="address of an inline program's language server"),
    Flag("exec-kind", takes="text", help="who calls: recorded in the history"),
    Flag("exec-agent", takes="text", help="accepted for compatibility"),
    Flag("debug", "d", "bool", "show debug messages"),
    Flag("suppress-outputs", help="do not print stack outputs"),
    Flag("suppress-progress", help="do not print progress"),
    Flag("suppress-permalink", takes="bool", help="accepted: there are no permalinks"),
    Flag("show-config", help="print the configuration first"),
    Flag("show-reads", help="accepted for compatibility"),
    Flag("show-sames", help="print unchanged resources too"),
    Flag("show-secrets", help="print secret outputs in plain text"),
    Flag("show-replacement-steps", help="accepted: replacement steps are always shown"),
    Flag("show-full-output", help="accepted for compatibility"),
    Flag("continue-on-error", help="not supported"),
    Flag("run-program", takes="text", help="not supported, except as false"),
    Flag("policy-pack", takes="list", help="not supported"),
    Flag("policy-pack-config", takes="list", help="not supported"),
    Flag("plan", takes="text", help="not supported"),
    Flag("save-plan", takes="text", help="not supported"),
    Flag("import-file", takes="text", help="not supported"),
    Flag("attach-debugger", takes="list", help="not supported"),
    Flag("exclude-protected", help="leave protected resources alone"),
)
REPLACE = (
    Flag("replace", takes="list", help="replace this resource; may be repeated"),
    Flag("target-replace", takes="list", help="replace this resource and touch no other; may be repeated"),
)
APPROVAL = (YES, Flag("skip-preview", "f", "bool", "do not preview first"))
PREVIEW_ONLY = Flag("preview-only", help="only show what would happen")

_ALL = (
    Command((), "about:overview", "The lab's Pulumi engine: declare infrastructure in Python, state in files."),
    Command(("up",), "operate:up", "Create or update a stack's resources", (*OPERATION, *REPLACE, *APPROVAL)),
    Command(("preview",), "operate:preview", "Show what an update would do", (*OPERATION, *REPLACE)),
    Command(
        ("refresh",),
        "operate:refresh",
        "Bring the state in line with the world",
        (*OPERATION, *APPROVAL, PREVIEW_ONLY),
    ),
    Command(
        ("destroy",),
        "operate:destroy",
        "Delete all of a stack's resources",
        (*OPERATION, *APPROVAL, PREVIEW_ONLY, Flag("remove", help="remove the stack too")),
    ),
    Command(
        ("stack",),
        "stack:show",
        "Show or manage stacks",
        (
            STACK,
            CONFIG_FILE,
            SHOW_SECRETS,
            Flag("show-ids", "i", "bool", "print ids"),
            Flag("show-urns", "u", "bool", "print URNs"),
            Flag("show-name", help="print only the stack's name"),
        ),
    ),
    Command(
        ("stack", "init"),
        "stack:init",
        "Make an empty stack and select it",
        (
            Flag("no-select", help="do not select it"),
            Flag("secrets-provider", takes="text", help="only `passphrase`"),
            Flag("copy-config-from", takes="text", help="not supported"),
        ),
        "[NAME]",
        1,
    ),
    Command(
        ("stack", "select"),
        "stack:select",
        "Make a stack the current one",
        (Flag("create", "c", "bool", "make it if it does not exist"),),
        "[NAME]",
        1,
    ),
    Command(("stack", "unselect"), "stack:unselect", "Forget the current stack"),
    Command(
        ("stack", "ls"),
        "stack:ls",
        "List the project's stacks",
        (JSON, Flag("all", "a", "bool", "accepted for compatibility"), Flag("project", "p", "text", "of a project")),
    ),
    Command(
        ("stack", "rm"),
        "stack:rm",
        "Remove a stack",
        (
            YES,
            Flag("force", "f", "bool", "even with resources"),
            Flag("preserve-config", help="keep its settings file"),
            Flag("remove-backups", help="accepted: there are none"),
        ),
        "[NAME]",
        1,
    ),
    Command(("stack", "rename"), "stack:rename", "Rename a stack", (), "NEW", 1),
    Command(
        ("stack", "output"),
        "stack:output",
        "Print outputs",
        (JSON, Flag("shell", help="print as shell assignments")),
        "[NAME]",
        1,
    ),
    Command(
        ("stack", "export"),
        "stack:export",
        "Print the state",
        (Flag("file", takes="text", help="write to a file"), Flag("version", takes="text", help="not supported")),
    ),
    Command(
        ("stack", "import"),
        "stack:import_",
        "Replace the state",
        (Flag("file", takes="text", help="read from a file"), Flag("force", "f", "bool", "accepted")),
    ),
    Command(
        ("stack", "history"),
        "stack:history",
        "List finished updates",
        (
            JSON,
            Flag("page", takes="text", help="which page, from 1"),
            Flag("page-size", takes="text", help="entries on a page; 0 for all"),
            Flag("full-dates", help="accepted"),
        ),
    ),
    Command(("stack", "tag"), "", "Stack tags: a file backend has none"),
    Command(("stack", "tag", "ls"), "stack:tags", "List tags", (JSON,)),
    Command(("stack", "change-secrets-provider"), "about:unsupported", "Not supported", (), "PROVIDER", 1),
    Command(
        ("config",),
        "config:show",
        "Show or change a stack's configuration",
        (STACK, CONFIG_FILE, JSON, SHOW_SECRETS),
    ),
    Command(("config", "get"), "config:get", "Print a value", (PATH, Flag("open", help="accepted")), "KEY", 1),
    Command(
        ("config", "set"),
        "config:set_",
        "Set a value; without one, read it from standard input",
        (
            PATH,
            Flag("secret", help="encrypt it"),
            Flag("plaintext", help="do not encrypt it"),
            Flag("type", takes="text", help="string, int, bool or float"),
        ),
        "KEY [VALUE]",
        2,
    ),
    Command(
        ("config", "set-all"),
        "config:set_all",
        "Set several values",
        (
            PATH,
            Flag("secret", takes="list", help="KEY=VALUE, encrypted"),
            Flag("plaintext", takes="list", help="KEY=VALUE"),
            Flag("json", "j", "text", "values as JSON, as `config --json` prints them"),
        ),
    ),
    Command(("config", "rm"), "config:rm", "Remove a value", (PATH,), "KEY", 1),
    Command(("config", "rm-all"), "config:rm", "Remove several values", (PATH,), "KEY...", 10_000),
    Command(
        ("config", "refresh"),
        "config:refresh",
        "Take the configuration of the last update",
        (Flag("force", "f", "bool", "overwrite the file"),),
    ),
    Command(("config", "cp"), "about:unsupported", "Not supported", (Flag("dest", "d", "text"),), "KEY", 1),
    Command(("config", "env"), "about:unsupported", "Environments are not supported", (), "...", 10_000),
    Command(("state",), "", "Edit the state", (STACK,)),
    Command(
        ("state", "unprotect"),
        "statecmd:unprotect",
        "Lift a resource's protection",
        (YES, Flag("all", help="of every resource")),
        "[URN]",
        1,
    ),
    Command(
        ("state", "delete"),
        "statecmd:delete",
        "Forget a resource without deleting it",
        (YES, Flag("force", help="even when protected"), Flag("target-dependents", help="and its dependents")),
        "URN",
        1,
    ),
    Command(("cancel",), "about:cancel", "Release a stack's lock", (STACK, YES), "[NAME]", 1),
    Command(("version",), "about:version", "Print the version"),
    Command(("whoami",), "about:whoami", "Print the user", (JSON, Flag("verbose", "v", "bool", "and the backend"))),
    Command(("about",), "about:about", "Describe the surroundings", (JSON, STACK, Flag("transitive", "t"))),
    Command(
        ("login",),
        "about:login",
        "Choose a backend",
        (Flag("local", "l", "bool", "the home directory"), Flag("cloud-url", "c", "text", "the backend's URL")),
        "[URL]",
        1,
    ),
    Command(("logout",), "about:logout", "Forget the chosen backend", (), "[URL]", 1),
    Command(("plugin",), "", "Plugins: this engine installs none"),
    Command(("plugin", "ls"), "about:plugin_ls", "List plugins", (JSON, Flag("project", "p"))),
    Command(
        ("plugin", "install"),
        "about:plugin_install",
        "Accepted: providers are named by PULUMI_DEBUG_PROVIDERS",
        (Flag("server", takes="text"), Flag("reinstall"), Flag("exact"), Flag("checksum", takes="text")),
        "[KIND NAME VERSION]",
        3,
    ),
    Command(
        ("plugin", "rm"), "about:plugin_rm", "Accepted: there is nothing to remove", (YES, Flag("all", "a")), "", 3
    ),
    Command(
        ("install",),
        "about:install",
        "Make the project's virtual environment and install its requirements",
        (
            Flag("no-plugins"),
            Flag("no-dependencies"),
            Flag("reinstall"),
            Flag("use-language-version-tools"),
            Flag("parallel", takes="text"),
        ),
    ),
    Command(("org",), "", "Organisations"),
    Command(("org", "get-default"), "about:org", "Print the default organisation"),
    *(
        Command((word,), "about:unsupported", "Not supported", (STACK, YES), "...", 10_000)
        for word in ("new", "import", "watch", "logs", "convert", "package", "policy", "env", "console", "deployment")
    ),
)

ALIASES = {
    ("update",): ("up",),
    ("pre",): ("preview",),
    ("down",): ("destroy",),
    ("dn",): ("destroy",),
    ("history",): ("stack", "history"),
    ("stack", "list"): ("stack", "ls"),
    ("stack", "remove"): ("stack", "rm"),
    ("plugin", "list"): ("plugin", "ls"),
}

COMMANDS: dict[tuple[str, ...], Command] = {command.words: command for command in _ALL}
COMMANDS.update({alias: COMMANDS[words] for alias, words in ALIASES.items()})
