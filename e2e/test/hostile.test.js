// Names and callbacks are chosen by whoever registers a client.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { look, scrollsSideways } from '../lib/browser.js'
import { isLive, row } from '../lib/page.js'
import { patience, until } from '../lib/until.js'
import { openWorld } from '../lib/world.js'

const chatgpt = 'https://chatgpt.com/connector/oauth/x'
const names = {
  markup: '<b id="injected">bold</b><img src=x onerror="alert(1)">',
  script: '</script><script>alert(2)</script>',
  table: '</td></tr></table><h1 id="injected">Hacked</h1>',
  attribute: '" onmouseover="alert(3)" id="injected" x="',
  single: "' onfocus='alert(4)' autofocus tabindex='0",
  comment: '--><!--',
  template: '{{.Secret}} ${alert(5)} {% raw %}',
  url: 'javascript:alert(6)',
  style: '</style><style>body{display:none}</style>',
  entity: '&lt;script&gt; &amp; &#x3c;b&#x3e;',
  bidi: 'ChatGPT \u202Egnp.exe\u2066\u2067 end',
  ansi: '\u001b[31mred\u001b[0m \u001b]0;title\u0007',
  zero: 'Chat\u200bGPT\u00ad\ufeff',
  lines: 'one\ntwo\r\nthree\u2028four',
  marks: 'Z' + '\u0335\u0321\u031b\u0308'.repeat(50),
  long: 'x'.repeat(1024),
  words: 'very '.repeat(200)
}
const callbacks = [
  'https://evil.example/<script>alert(7)</script>',
  'javascript:alert(8)',
  'https://evil.example/' + 'a'.repeat(900)
]

let world
const ids = {}
describe('hostile names', () => {
  before(async () => {
    world = await openWorld()
    for (const [what, name] of Object.entries(names)) [ids[what]] = await world.do('plant', { name, callbacks: [chatgpt] });
    [ids.callbacks] = await world.do('plant', { name: 'Stranger', callbacks })
    for (const id of Object.values(ids)) await world.settles(id)
  })
  after(() => world?.close())

  // harmless fails when anything of a name became more than text.
  async function harmless (page, where) {
    assert.equal(await page.locator('#injected').count(), 0, `${where}: an element was injected`)
    const handlers = await page.evaluate(() => [...document.querySelectorAll('*')]
      .flatMap((e) => [...e.attributes].filter((a) => a.name.startsWith('on') || /^\s*javascript:/i.test(a.value)).map((a) => `${e.tagName} ${a.name}`)))
    assert.deepEqual(handlers, [], `${where}: handlers were injected`)
    assert.equal(await page.locator('img[src="x"]').count(), 0, `${where}: an image was injected`)
    const scripts = await page.locator('script:not([src])').count()
    assert.equal(scripts, 0, `${where}: there is a script in the page`)
    assert.ok(await scrollsSideways(page) <= 0, `${where}: the page scrolls sideways`)
  }

  // unseen are characters that change how the text around them looks.
  // eslint-disable-next-line no-control-regex
  const unseen = /[\u0000-\u0009\u000b-\u001f\u007f\u202a-\u202e\u2066-\u2069]/

  test('are text in the list', { timeout: patience }, async () => {
    await look(world, {}, async (page) => {
      for (const [what, id] of Object.entries(ids)) {
        const shown = await page.locator(row(id)).innerText()
        assert.doesNotMatch(shown.replaceAll('\t', ' '), unseen, `${what}: shown as ${JSON.stringify(shown)}`)
      }
      for (const what of ['markup', 'script', 'table', 'attribute', 'style', 'entity', 'template']) {
        const shown = await page.locator(row(ids[what])).innerText()
        assert.ok(shown.includes(names[what]), `${what}: ${JSON.stringify(names[what])} is shown as ${JSON.stringify(shown)}`)
      }
      for (const width of [1440, 820, 390, 320]) {
        await page.setViewportSize({ width, height: 900 })
        await harmless(page, `the list at ${width} px`)
        // A name of a thousand characters leaves room for others.
        for (const what of ['long', 'words', 'marks']) {
          const { height } = await page.locator(row(ids[what])).boundingBox()
          assert.ok(height < 200, `${what}: the row is ${height} px high at ${width} px`)
        }
      }
    })
  })

  test('are text where they arrive while somebody looks', { timeout: patience }, async () => {
    await look(world, { width: 390 }, async (page) => {
      await isLive(page)
      for (const what of ['markup', 'script', 'table', 'attribute', 'bidi', 'long']) {
        const [id] = await world.do('plant', { name: names[what], callbacks: [chatgpt] })
        await page.locator(row(id)).waitFor()
        await page.locator(row(id)).filter({ hasText: new RegExp(await world.settles(id), 'i') }).waitFor()
        await harmless(page, `${what}, live`)
      }
    })
  })

  test('are text on the page of the client, as are callbacks', { timeout: patience }, async () => {
    await look(world, { width: 390 }, async (page) => {
      for (const [what, id] of Object.entries(ids)) {
        await page.goto(`${world.url}/clients/${id}`)
        await harmless(page, `the page of ${what}`)
        const shown = await page.locator('body').innerText()
        assert.doesNotMatch(shown.replaceAll('\t', ' '), unseen, `${what}: shown as ${JSON.stringify(shown)}`)
        if (what === 'markup') assert.ok(shown.includes(names.markup))
      }
      await page.goto(`${world.url}/clients/${ids.callbacks}`)
      const shown = await page.locator('body').innerText()
      assert.ok(shown.includes(callbacks[0]), 'the callback is shown as it is')
      assert.equal(await page.locator('a[href*="evil.example"], a[href^="javascript"]').count(), 0, 'a callback is a link')
    })
  })

  test('are text where Auth0 says them', { timeout: patience }, async () => {
    for (const what of ['markup', 'attribute', 'style', 'bidi', 'long']) {
      await world.do('refuse', { text: names[what] })
      const id = await world.register({}, 'blocked')
      await world.do('refuse')
      const { message } = await world.get(`/api/v1/clients/${id}`)
      assert.ok(message.includes(names[what].slice(0, 8)), `the message is ${JSON.stringify(message)}`)
      await look(world, { width: 390 }, async (page) => {
        for (const path of ['/', `/clients/${id}`]) {
          await page.goto(world.url + path)
          assert.match(await page.locator('main').innerText(), /rejected_by_auth0/)
          await harmless(page, `${what}, said by Auth0, at ${path}`)
          const shown = await page.locator('body').innerText()
          assert.doesNotMatch(shown.replaceAll('\t', ' '), unseen, `${what}: shown as ${JSON.stringify(shown)}`)
        }
      })
    }
  })

  test('are refused or text in every parameter', { timeout: patience }, async () => {
    const client = `/clients/${ids.markup}`
    await look(world, { excuse: /status of 40[04]/ }, async (page) => {
      for (const bad of [names.markup, names.attribute, '\u0000', '%']) {
        const q = encodeURIComponent(bad)
        for (const [path, status] of [
          [`/?phase=${q}`, 400], [`/?after=${q}`, 400], [`/?q=a&after=${q}`, 400], [`${client}?after=${q}`, 400], [`/clients/${q}`, 404],
          [`/?unknown=${q}`, 200], [`/?q=${q}&q=${q}`, 200], [`/?q=%zz${q}`, 200]
        ]) {
          const res = await page.goto(world.url + path)
          assert.equal(res.status(), status, path)
          await harmless(page, path)
        }
      }
    })
  })

  test('would not run, were they more than text: the policy stops them', { timeout: patience }, async () => {
    const excuse = /Content Security Policy|violates the following/
    const directives = ['script-src-elem', 'script-src-attr', 'style-src-attr', 'style-src-elem', 'img-src', 'frame-src', 'base-uri', 'object-src', 'connect-src', 'form-action']
    await look(world, { excuse }, async (page) => {
      await page.evaluate(async () => {
        window.broken = []
        document.addEventListener('securitypolicyviolation', (e) => window.broken.push(e.effectiveDirective))
        const add = (html) => document.body.append(document.createRange().createContextualFragment(html))
        add('<script>window.ran = true</script>')
        add('<p id="styled" style="color: red">x</p><style>body { display: none }</style>')
        add('<a id="link" href="javascript:window.ran = true">x</a>')
        document.getElementById('link').click()
        add('<img src="data:image/gif;base64,R0lGODlhAQABAAAAACw=" onerror="window.ran = true">')
        add('<iframe src="/"></iframe><base href="/x/"><object data="/"></object>')
        add('<form id="form" action="http://elsewhere.example/"></form>')
        document.getElementById('form').submit()
        await fetch('http://elsewhere.example/').catch(() => {})
      })
      for (const directive of directives) {
        await until(`the policy to stop what breaks ${directive}`, () => page.evaluate((d) => window.broken.includes(d), directive))
      }
      const { ran, display } = await page.evaluate(() => ({ ran: 'ran' in window, display: getComputedStyle(document.body).display }))
      assert.equal(ran, false)
      assert.notEqual(display, 'none')
    })
  })

  test('are text in a search', { timeout: patience }, async () => {
    await look(world, {}, async (page) => {
      for (const q of [names.markup, names.attribute, names.script]) {
        await page.goto(`${world.url}/?q=${encodeURIComponent(q)}`)
        assert.equal(await page.locator('input[name=q]').inputValue(), q)
        await harmless(page, `a search for ${q}`)
      }
    })
  })
})
