package cli

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is what a binary can say of itself.
type version struct {
	Version string `json:"version"`
	Commit  string `json:"commit"`
	Go      string `json:"go"`
	SDK     string `json:"sdk"`
}

const sdkModule = "github.com/auth0/go-auth0/v3"

// buildVersion reads what the Go toolchain wrote into the binary.
func buildVersion() version {
	v := version{Version: "unknown", Commit: "unknown", Go: runtime.Version(), SDK: "unknown"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if info.Main.Version != "" {
		v.Version = info.Main.Version
	}
	dirty := ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Commit = s.Value
		case "vcs.modified":
			if s.Value == "true" {
				dirty = "+dirty"
			}
		}
	}
	if v.Commit != "unknown" {
		v.Commit += dirty
	}
	for _, d := range info.Deps {
		if d.Path == sdkModule {
			v.SDK = "go-auth0 " + d.Version
		}
	}
	return v
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print version, commit, Go and SDK",
		Example: "  grantd version\n  grantd version --json",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v := buildVersion()
			if a.json {
				return printJSON(cmd.OutOrStdout(), v)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "grantd  %s\ncommit  %s\ngo      %s\nsdk     %s\n", v.Version, v.Commit, v.Go, v.SDK)
			return err
		},
	}
}
