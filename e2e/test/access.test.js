// Who may see the page.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { browser, elsewhere, look } from '../lib/browser.js'
import { isLive, row, showsCount, shownCounts } from '../lib/page.js'
import { patience } from '../lib/until.js'
import { openWorld } from '../lib/world.js'

const token = 'browser-admin-token-7d1e0c'

let open, closed
describe('who may see the page', () => {
  before(async () => {
    [open, closed] = await Promise.all([openWorld(), openWorld({ env: { GRANTD_ADMIN_TOKEN: token } })])
  })
  after(() => Promise.all([open?.close(), closed?.close()]))

  test('with a token: nothing without it, all of it with it, live updates too', { timeout: patience }, async () => {
    await look(closed, { status: 401 }, async (page, res) => {
      assert.match(res.headers()['www-authenticate'], /Basic/)
      assert.equal(await page.locator('#clients').count(), 0)
    }).catch((err) => { if (!/ERR_INVALID_AUTH_CREDENTIALS/.test(err.message)) throw err })
    await look(closed, { token }, async (page) => {
      await isLive(page)
      const before = await shownCounts(page)
      const [id] = await closed.do('register')
      await page.locator(row(id)).filter({ hasText: /ready/i }).waitFor()
      await showsCount(page, 'ready', before.ready + 1)
    })
  })

  // seen is how a browser's requests to the site were answered.
  async function seen (site, go) {
    const context = await (await browser()).newContext()
    try {
      const page = await context.newPage()
      const statuses = []
      page.on('response', (r) => { if (new URL(r.url()).port === new URL(site.url).port) statuses.push(r.status()) })
      return { said: await go(page), statuses }
    } finally {
      await context.close()
    }
  }

  test('a name that leads to this machine opens nothing (DNS rebinding)', { timeout: patience }, async () => {
    const { said, statuses } = await seen(open, async (page) => {
      await page.goto(`http://${elsewhere}:${new URL(open.url).port}/`)
      return page.locator('body').innerText()
    })
    assert.deepEqual(statuses, [403])
    assert.match(said, /host_not_allowed/)
  })

  test('the page of another site reads nothing, and shows nothing in a frame', { timeout: patience }, async () => {
    await open.register()
    const { said } = await seen(open, async (page) => {
      await page.route(`http://${elsewhere}/`, (r) => r.fulfill({
        contentType: 'text/html', body: `<!doctype html><iframe src="${open.url}/"></iframe>`
      }))
      await page.goto(`http://${elsewhere}/`)
      assert.equal(page.frames().length, 2)
      assert.equal(await page.frames()[1].locator('#clients').count(), 0, 'a frame shows the page')
      return page.evaluate(async (url) => {
        const read = await fetch(url).then((r) => r.text()).catch(() => 'refused')
        const events = await new Promise((resolve) => {
          const source = new EventSource(`${url}/api/v1/events`)
          source.onopen = () => resolve('open')
          source.onerror = () => resolve('refused')
        })
        return { read, events }
      }, open.url)
    })
    assert.deepEqual(said, { read: 'refused', events: 'refused' })
  })
})
