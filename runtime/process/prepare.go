package process

import (
	"io"
	"slices"
	"strconv"

	"github.com/msctl/msctl/runtime"
)

// prepared wraps a command in a shell that does what Go cannot do between fork
// and exec, and is replaced by the command then: it sets resource limits, and
// says whom a socket is for. mem_limit becomes RLIMIT_DATA: unlike RLIMIT_AS
// it does not count what runtimes only reserve.
func prepared(path string, args []string, s runtime.Spec, out io.Writer) (string, []string, error) {
	if s.Limits.CPUs > 0 || s.Limits.PIDs > 0 {
		_, _ = io.WriteString(out, "msctl: cpus and pids_limit are not applied to processes, only to containers\n")
	}
	script := ""
	if s.Limits.Memory > 0 {
		script += "ulimit -d " + strconv.FormatInt(s.Limits.Memory>>10, 10) + " && "
	}
	if s.Limits.NoFile > 0 {
		script += "ulimit -n " + strconv.FormatInt(s.Limits.NoFile, 10) + " && "
	}
	if s.Socket != nil {
		// sd_listen_fds(3): the process checks that its pid is this one.
		script += "export LISTEN_FDS=1 LISTEN_FDNAMES=http LISTEN_PID=$$ && "
	}
	if script == "" {
		return path, args, nil
	}
	sh, err := shellForPreparation()
	if err != nil {
		return "", nil, err
	}
	return sh, slices.Concat([]string{"sh", "-c", script + `exec "$@"`, "sh", path}, args[1:]), nil
}
