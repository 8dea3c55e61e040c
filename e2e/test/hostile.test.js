// Names and callbacks are chosen by whoever registers a client.
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { look, scrollsSideways } from '../lib/browser.js'
import { isLive, row } from '../lib/page.js'
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

  test('are text in the list', { timeout: 30_000 }, async () => {
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

  test('are text where they arrive while somebody looks', { timeout: 60_000 }, async () => {
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

  test('are text on the page of the client, as are callbacks', { timeout: 60_000 }, async () => {
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

  test('are text in a search', { timeout: 30_000 }, async () => {
    await look(world, {}, async (page) => {
      for (const q of [names.markup, names.attribute, names.script]) {
        await page.goto(`${world.url}/?q=${encodeURIComponent(q)}`)
        assert.equal(await page.locator('input[name=q]').inputValue(), q)
        await harmless(page, `a search for ${q}`)
      }
    })
  })
})
