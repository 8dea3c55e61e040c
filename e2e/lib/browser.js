// One browser for all tests, and pages that notice what goes wrong in them.
import assert from 'node:assert/strict'
import { after } from 'node:test'
import { chromium } from 'playwright-core'
import { waiting } from './until.js'

// A name that leads to this machine, as one of somebody's web site could.
export const elsewhere = 'elsewhere.example'

let launched

// browser is started by the first who wants it.
export function browser () {
  launched ??= chromium.launch({
    executablePath: process.env.CHROMIUM_BIN,
    timeout: waiting,
    args: [`--host-resolver-rules=MAP ${elsewhere} 127.0.0.1`]
  })
  return launched
}

after(async () => (await launched)?.close())

// look opens a page of the site, lets the test look at it, and fails when
// something went wrong in it: a message in the console, a violation of the
// policy, a request to somebody else, or one that was answered by an error that
// is not expected.
//
// Options: path, width, height, js, scheme (light or dark), motion (reduce),
// token, status (expected of the page), excuse (what the console may say),
// prepare (called with the page while it is empty).
export async function look (site, options, test) {
  const o = { path: '/', width: 1280, height: 900, js: true, scheme: 'light', status: 200, ...options }
  const context = await (await browser()).newContext({
    viewport: { width: o.width, height: o.height },
    javaScriptEnabled: o.js,
    colorScheme: o.scheme,
    reducedMotion: o.motion ?? 'no-preference',
    ...(o.token && { httpCredentials: { username: 'me', password: o.token } })
  })
  context.setDefaultTimeout(waiting)
  try {
    const page = await context.newPage()
    const wrong = watch(page, site, o)
    await o.prepare?.(page)
    const res = await page.goto(site.url + o.path)
    assert.equal(res.status(), o.status, `status of ${o.path}`)
    const result = await test(page, res)
    assert.deepEqual(wrong, [], `what went wrong in ${o.path}`)
    return result
  } finally {
    await context.close()
  }
}

// watch returns the list that what goes wrong in the page is added to.
function watch (page, site, o) {
  const wrong = []
  const excused = (text) => o.excuse?.test(text) || (o.status >= 400 && text.includes(`status of ${o.status}`))
  page.on('console', (m) => {
    if (['error', 'warning'].includes(m.type()) && !excused(m.text())) wrong.push(`console ${m.type()}: ${m.text()}`)
  })
  page.on('pageerror', (err) => wrong.push(`error: ${err.message}`))
  page.on('dialog', (d) => {
    wrong.push(`dialog: ${d.message()}`)
    d.dismiss().catch(() => {})
  })
  page.on('popup', (p) => wrong.push(`popup: ${p.url()}`))
  page.on('request', (r) => {
    if (new URL(r.url()).origin !== site.url) wrong.push(`request to somebody else: ${r.url()}`)
  })
  return wrong
}

// scrollsSideways is by how many pixels the page is wider than the window.
export function scrollsSideways (page) {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
}
