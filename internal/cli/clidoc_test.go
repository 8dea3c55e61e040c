package cli_test

import (
	"testing"

	"grantd/internal/cli"
	"grantd/internal/doctest"
)

func TestCommandsUpToDate(t *testing.T) {
	doctest.UpToDate(t, "docs/cli.md", *update, cli.WriteMarkdown)
}
