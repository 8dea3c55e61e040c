//go:build ignore

// Reachable exits with 0 if the URL that it is given answers with 200 within
// four seconds, by the proxy of the environment if there is one.
package main

import (
	"fmt"
	"net/http"
	"os"
	"time"
)

func main() {
	client := http.Client{Timeout: 4 * time.Second}
	resp, err := client.Head(os.Args[1])
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		fmt.Println(os.Args[1], "answers", resp.Status)
		os.Exit(1)
	}
}
