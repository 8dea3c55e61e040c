// Package demo is a tour of grantd that needs no account and no configuration:
// a simulated tenant in this process, the real daemon in another, and between
// them nothing but HTTP. It checks everything it shows.
package demo
