package process

import "github.com/msctl/msctl/stack"

// toolchains says where a program that services are often written for comes from.
var toolchains = map[string]string{
	"python3": "install Python 3 (https://www.python.org/downloads, or your system's package python3)",
	"python":  "install Python 3, or say python3 in the command",
	"uv":      "install uv (https://docs.astral.sh/uv)",
	"poetry":  "install Poetry (https://python-poetry.org)",
	"uvicorn": "install the service's requirements, and run it from its virtual environment (uv run uvicorn …)",
	"go":      "install Go (https://go.dev/dl)",
	"node":    "install Node.js (https://nodejs.org)",
	"npm":     "install Node.js, which brings npm (https://nodejs.org)",
	"npx":     "install Node.js, which brings npx (https://nodejs.org)",
	"pnpm":    "install pnpm (https://pnpm.io/installation)",
	"yarn":    "install Yarn (https://yarnpkg.com)",
	"bun":     "install Bun (https://bun.sh)",
	"deno":    "install Deno (https://deno.com)",
	"java":    "install a JDK (https://adoptium.net)",
	"mvn":     "install Maven (https://maven.apache.org)",
	"cargo":   "install Rust (https://rustup.rs)",
	"ruby":    "install Ruby (https://www.ruby-lang.org)",
	"php":     "install PHP (https://www.php.net)",
	"dotnet":  "install the .NET SDK (https://dotnet.microsoft.com)",
	"sh":      "a POSIX shell is needed for commands with shell syntax; write the command as a list instead",
}

func toolchainHint(program string) string {
	if h, ok := toolchains[program]; ok {
		return h
	}
	return "install " + program + ", or correct the command"
}

// Find reports where the program of a command is, as a start in dir with env
// would find it. The error is a *NotFoundError when it is not installed. A
// command that needs a shell is looked at as far as its shell.
func Find(c stack.Command, dir string, env []string) (path string, err error) {
	path, _, err = resolve(c, dir, env)
	return path, err
}
