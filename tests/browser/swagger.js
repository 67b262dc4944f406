// Swagger UI, as a developer uses it: Authorize, Try it out, Execute, 200.
'use strict'

const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const { chromium } = require('playwright-core')

const { URL: base, API_SECRET, APP_TOKEN, WORK } = process.env
const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome']
  .find((file) => fs.existsSync(file))

async function authorize (page, scheme, secret) {
  const form = page.locator('.auth-container').filter({ has: page.locator('h4 code', { hasText: new RegExp(`^${scheme}$`) }) })
  await form.locator('input').fill(secret)
  await form.getByRole('button', { name: /apply/i }).click()
  await form.getByRole('button', { name: /remove authorization/i }).waitFor()
}

// Opens an operation, fills its parameters, executes it and answers the status and body that the page shows.
async function execute (page, operationId, parameters) {
  const block = page.locator(`[id$="-${operationId}"].opblock`)
  await block.scrollIntoViewIfNeeded()
  await block.locator('.opblock-summary-control').click()
  const cancel = block.getByRole('button', { name: 'Cancel' })
  if (!await cancel.isVisible().catch(() => false)) {
    await block.getByRole('button', { name: 'Try it out' }).click()
  }
  for (const [name, value] of Object.entries(parameters)) {
    await block.locator(`tr[data-param-name="${name}"] input`).fill(value)
  }
  await block.getByRole('button', { name: 'Execute' }).click()
  const live = block.locator('.live-responses-table')
  await live.waitFor()
  const status = (await live.locator('tr.response .response-col_status').innerText()).trim()
  const body = await live.locator('.highlight-code, .microlight').first().innerText().catch(() => '')
  await block.locator('.opblock-summary-control').click()
  return { status: status.split(/\s/)[0], body }
}

async function main () {
  const context = await chromium.launchPersistentContext(path.join(WORK, 'profile'), {
    executablePath,
    headless: true,
    viewport: { width: 1400, height: 1000 },
    args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
      '--disable-component-update', '--disable-sync']
  })
  const elsewhere = []
  const errors = []
  try {
    const page = context.pages()[0] ?? await context.newPage()
    page.setDefaultTimeout(30_000)
    page.on('request', (request) => {
      if (!request.url().startsWith(base) && !/^(data|blob|about):/.test(request.url())) elsewhere.push(request.url())
    })
    page.on('pageerror', (error) => errors.push(String(error)))
    page.on('console', (message) => { if (message.type() === 'error') errors.push(message.text()) })

    await page.goto(`${base}/swagger-ui/`)
    await page.locator('.opblock').first().waitFor()
    await page.getByRole('button', { name: 'Authorize' }).first().click()
    await authorize(page, 'AppToken', APP_TOKEN)
    await authorize(page, 'ApiSecret', API_SECRET)
    await page.locator('.modal-ux').getByRole('button', { name: 'Close' }).last().click()

    const value = await execute(page, 'getValue', { key: 'greeting' })
    assert.strictEqual(value.status, '200', 'GET /kv/{key} with the app token')
    assert.match(value.body, /hello from the test/)

    const apps = await execute(page, 'adminListApps', { search: 'Test' })
    assert.strictEqual(apps.status, '200', 'GET /public-api/apps with the admin secret')
    assert.match(apps.body, /Test app/)

    assert.deepStrictEqual(elsewhere, [], 'everything comes from the service itself')
    assert.deepStrictEqual(errors, [], 'the page runs without errors')
    console.log('browser: Swagger UI authorizes an app and an admin, and both calls show 200')
  } catch (error) {
    const shot = path.join(process.env.CARGO_TARGET_DIR ?? 'target', 'browser-failure.png')
    await context.pages()[0]?.screenshot({ path: shot, fullPage: false }).catch(() => {})
    console.error(`browser: see ${shot}; errors of the page: ${JSON.stringify(errors)}`)
    throw error
  } finally {
    await context.close()
  }
}

main().catch((error) => { console.error(error); process.exit(1) })
