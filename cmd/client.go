package cmd

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/msctl/msctl/registry"
	"github.com/msctl/msctl/stack"
	"github.com/msctl/msctl/templates"
	"github.com/msctl/msctl/templates/client"
)

type addClientOptions struct {
	service, other string
	openapi        string
	timeout        time.Duration
	show           showOptions
}

func (a *app) addClientCommand() *cobra.Command {
	var o addClientOptions
	c := &cobra.Command{
		Use:   "client --service NAME --for OTHER",
		Short: "Let a service call another: a typed client, its tests, depends_on",
		Long: `Let a service call another. From the other's OpenAPI document it writes types,
a method for each operation, and tests of them; calls have limits and retries,
and carry the ids of the request at hand. The service gets the other's address
by depends_on.

The document is asked of the running stack, or of an instance that is started
for it; --openapi reads it from elsewhere. It is kept in clients/OTHER.json:
msctl verify OTHER tells whether that still holds. Run it again when the other
has changed: what is generated is written anew, and what breaks is said.`,
		Example: "  msctl add client --service orders --for catalog\n  msctl add client --service orders --for payments --openapi payments.json",
		Args:    none,
		RunE: func(c *cobra.Command, _ []string) error {
			return a.addClient(c.Context(), o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.service, "service", "", "the service that calls")
	f.StringVar(&o.other, "for", "", "the service that is called")
	f.StringVar(&o.openapi, "openapi", "", "read the other's OpenAPI document from this `FILE`; - is stdin")
	f.DurationVar(&o.timeout, "timeout", 60*time.Second, "how long the other may take to tell what it offers")
	o.show.flags(c)
	for _, name := range []string{"service", "for"} {
		_ = c.MarkFlagRequired(name) // it fails for a flag that is not there
		_ = c.RegisterFlagCompletionFunc(name, a.completeServices)
	}
	return c
}

func (a *app) addClient(ctx context.Context, o addClientOptions) error {
	switch {
	case o.service == o.other:
		return usagef("%s needs no client to call itself", o.service)
	case o.timeout <= 0:
		return usagef("--timeout: want a time above 0")
	}
	if err := templates.CheckService(o.other); err != nil {
		return usagef("--for: %v", err)
	}
	w, err := a.written(ctx, o.service)
	if err != nil {
		return err
	}
	place := w.template.Clients(w.record.Answers)
	if place == nil {
		return &exitError{code: exitFailed, err: fmt.Errorf("template %s has no place for clients", w.record.Template), hint: "client: in its template.yaml says where they go; msctl templates lists those of msctl"}
	}
	file, err := a.dependOn(o)
	if err != nil {
		return err
	}
	document, err := a.document(ctx, o)
	if err != nil {
		return err
	}
	generated, err := a.clientFiles(w, o, place, document)
	if err != nil {
		return err
	}
	plan, err := w.plan(w.answers(place.Options))
	if err != nil {
		return err
	}
	plan = slices.Concat(plan, generated, file)
	if err := a.carryOut(ctx, w.root, plan, o.show); err != nil {
		return err
	}
	return a.sayUpdated(w.root, plan, updateOptions{show: o.show})
}

// dependOn plans that the service depends on the other, in the stack file. The
// address of one that is not in the stack is up to the user.
func (a *app) dependOn(o addClientOptions) ([]templates.Change, error) {
	st, err := a.load()
	if err != nil {
		return nil, err
	}
	if err := st.Check([]string{o.service}); err != nil {
		return nil, err
	}
	if err := st.Check([]string{o.other}); err != nil {
		if o.openapi == "" {
			return nil, err
		}
		a.note("%s is not in the stack: %s needs its address in its environment", o.other, o.service)
		return nil, nil
	}
	if needed, _ := st.Select([]string{o.other}, nil, false); slices.Contains(needed, o.service) {
		return nil, &exitError{code: exitFailed, err: fmt.Errorf("%s depends on %s already, if not directly: neither could start first", o.other, o.service), hint: "nothing was written; what both need may be a third service"}
	}
	p, err := a.openProject()
	if err != nil {
		return nil, err
	}
	text, err := stack.DependOn(p.from, o.service, o.other)
	if err != nil || bytes.Equal(p.from, text) {
		return nil, err
	}
	return []templates.Change{{Path: p.file, Action: templates.Modify, From: p.from, To: text}}, nil
}

// clientFiles plans the client, its tests, and the document that they are from.
func (a *app) clientFiles(w *written, o addClientOptions, place *templates.Clients, document []byte) ([]templates.Change, error) {
	api, err := client.Read(o.other, document)
	if err != nil {
		return nil, &exitError{code: exitFailed, err: err, hint: "nothing was written"}
	}
	for _, out := range api.LeftOut {
		a.note("left out: %s", out)
	}
	pinned := client.Pinned(o.other)
	at := client.Place{Language: w.template.Language, Code: place.Code, Test: place.Test, Calls: place.Calls}
	code, test, err := client.Write(api, at, pinned)
	if err != nil {
		return nil, err
	}
	codePath, testPath := at.Paths(o.other)
	var plan []templates.Change
	for _, f := range []struct {
		path string
		data []byte
	}{{pinned, document}, {codePath, code}, {testPath, test}} {
		c := templates.Change{Path: path.Join(w.record.Dir, f.path), Action: templates.Create, To: f.data}
		c.From, err = fs.ReadFile(w.disk, c.Path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return nil, err
		case bytes.Equal(c.From, c.To):
			continue
		case f.path == pinned:
			c.Action = templates.Modify
			a.sayBreaks(o, c.From, api)
		case !client.IsGenerated(c.From):
			return nil, &exitError{code: exitFailed, err: fmt.Errorf("%s is there already, and was not generated", c.Path), hint: "move it; nothing was written"}
		default:
			c.Action = templates.Modify
		}
		plan = append(plan, c)
	}
	return plan, nil
}

// sayBreaks says what no longer holds of the document that was kept.
func (a *app) sayBreaks(o addClientOptions, kept []byte, now *client.API) {
	was, err := client.Read(o.other, kept)
	if err != nil {
		return // there is nothing to compare with
	}
	for _, b := range client.Breaks(was, now) {
		a.note("%s has changed: %s", o.other, b)
	}
}

// document is the other's OpenAPI document, in the form in which it is kept.
func (a *app) document(ctx context.Context, o addClientOptions) ([]byte, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeout, fmt.Errorf("%s did not tell what it offers within %v", o.other, o.timeout))
	defer cancel()
	var data []byte
	var err error
	switch o.openapi {
	case "":
		data, err = a.offered(ctx, o.other)
	case "-":
		data, err = io.ReadAll(a.in)
	default:
		file := o.openapi
		if !filepath.IsAbs(file) {
			file = filepath.Join(a.dir, file)
		}
		data, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, err
	}
	normal, err := client.Normal(data)
	if err != nil {
		return nil, &exitError{code: exitFailed, err: fmt.Errorf("the OpenAPI document of %s: %w", o.other, err), hint: "it has to be JSON; nothing was written"}
	}
	return normal, nil
}

// offered asks a service what it offers: an instance of the running stack, or
// one that is started for it.
func (a *app) offered(ctx context.Context, service string) ([]byte, error) {
	if address, err := a.running(ctx, service); err != nil {
		return nil, err
	} else if address != "" {
		return fetchDocument(ctx, "http://"+address)
	}
	st, err := a.load()
	if err != nil {
		return nil, err
	}
	services, err := verifiable(st, []string{service})
	if err != nil {
		return nil, err
	}
	a.note("%s does not run: one instance of it is started, to ask it", service)
	ctx, hurry := context.WithCancel(ctx)
	defer hurry()
	signalled, done := untilSignalled(ctx, hurry)
	defer done()
	var data []byte
	err = a.beside(signalled, ctx.Done(), st.Dir, func(own *ownInstances) error {
		i, address, err := own.start(signalled, services[0])
		if err != nil {
			return err
		}
		defer i.end()
		data, err = i.document(signalled, address.String())
		return err
	})
	return data, err
}

// running is the address of an instance that answers, "" if there is none.
func (a *app) running(ctx context.Context, service string) (string, error) {
	control, _, err := a.clientIfRunning()
	if err != nil || control == nil {
		return "", err
	}
	instances, err := a.instances(ctx, control, []string{service})
	if err != nil {
		return "", err
	}
	for _, i := range instances {
		if i.State == registry.Ready {
			return i.Address, nil
		}
	}
	return "", nil
}

// document waits until the instance tells what it offers.
func (i *instance) document(ctx context.Context, address string) ([]byte, error) {
	for {
		data, err := fetchDocument(ctx, address)
		if err == nil || errors.Is(err, errNoDocument) {
			return data, err
		}
		select {
		case <-i.done:
			return nil, &exitError{code: exitFailed, err: fmt.Errorf("it ended before it told what it offers: %w", cmp.Or(i.err, errors.New("exit code 0"))), hint: "msctl verify shows more; --openapi FILE takes the document from elsewhere"}
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), errInterrupted) {
				return nil, errInterrupted
			}
			return nil, &exitError{code: exitFailed, err: fmt.Errorf("%w: %w", context.Cause(ctx), err), hint: "--openapi FILE takes the document from elsewhere"}
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// errNoDocument says that a service does not describe itself.
var errNoDocument = &exitError{code: exitFailed, err: errors.New("GET /openapi.json: 404: it does not say what it offers"), hint: "--openapi FILE takes the document from elsewhere"}

// maxFetched bounds a document that a service answers.
const maxFetched = 16 << 20

func fetchDocument(ctx context.Context, address string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address+"/openapi.json", nil)
	if err != nil {
		return nil, err
	}
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close() //nolint:errcheck // only read
	if answer.StatusCode == http.StatusNotFound {
		return nil, errNoDocument
	}
	if answer.StatusCode != http.StatusOK {
		return nil, &exitError{code: exitFailed, err: fmt.Errorf("GET %s/openapi.json: %s", address, answer.Status), hint: "--openapi FILE takes the document from elsewhere"}
	}
	return io.ReadAll(io.LimitReader(answer.Body, maxFetched))
}
