package cmd

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	goruntime "runtime"

	"github.com/spf13/cobra"
)

func (a *app) openCommand() *cobra.Command {
	var printOnly, admin bool
	c := &cobra.Command{
		Use:   "open [SERVICE]",
		Short: "Open the gateway, or a service at it, in the browser",
		Long: `Open the gateway, or a service at it, in the browser. Without a terminal, or with
--print, the address is printed instead. --admin opens the gateway's own pages:
routes, metrics, recent requests, and the API of all services.`,
		Example:           "  msctl open\n  msctl open catalog --print\n  msctl open --admin",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: a.completeService,
		RunE: func(c *cobra.Command, args []string) error {
			if admin && len(args) > 0 {
				return usagef("--admin is of the gateway: name no service")
			}
			url, err := a.address(c.Context(), args, admin)
			if err != nil {
				return err
			}
			fmt.Fprintln(a.out, url)
			if printOnly || !isTerminal(a.out) {
				return nil
			}
			return browse(c.Context(), url)
		},
	}
	c.Flags().BoolVar(&admin, "admin", false, "the gateway's own pages")
	c.Flags().BoolVar(&printOnly, "print", false, "print the address, open nothing")
	return c
}

// address is where the service named, the gateway or its own pages are to be
// seen.
func (a *app) address(ctx context.Context, names []string, admin bool) (string, error) {
	client, err := a.client()
	if err != nil {
		return "", err
	}
	status, err := client.Status(ctx)
	if err != nil {
		return "", err
	}
	if err := known(status, names); err != nil {
		return "", err
	}
	switch {
	case admin && status.Admin == "":
		return "", &exitError{code: exitFailed, err: errors.New("the gateway has no pages of its own"), hint: "gateway.admin, or gateway:, is off in the stack file"}
	case admin:
		return status.Admin, nil
	case len(names) == 0 && status.URL == "":
		return "", &exitError{code: exitFailed, err: errors.New("the stack has no gateway"), hint: "gateway: is off in the stack file; name a service"}
	case len(names) == 0:
		return status.URL, nil
	}
	for _, s := range status.Services {
		if s.Name == names[0] && len(s.URLs) > 0 {
			return s.URLs[0], nil
		}
	}
	snap, err := client.Next(ctx, 0)
	if err != nil {
		return "", err
	}
	for _, i := range snap.Service(names[0]) {
		if i.Address != "" {
			return "http://" + i.Address, nil
		}
	}
	return "", &exitError{code: exitFailed, err: fmt.Errorf("%s has no address now", names[0]), hint: "msctl ps shows its state"}
}

// browse opens url with what the system opens addresses with.
func browse(ctx context.Context, url string) error {
	name, args := "xdg-open", []string{url}
	switch goruntime.GOOS {
	case "darwin":
		name = "open"
	case "windows":
		name, args = "rundll32", []string{"url.dll,FileProtocolHandler", url}
	}
	if err := exec.CommandContext(ctx, name, args...).Run(); err != nil { //nolint:gosec // a fixed program and a loopback address
		return fmt.Errorf("open the browser: %w", err)
	}
	return nil
}
